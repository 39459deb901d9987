"""What expires: the TLS certificate, and keys that the operation depends on."""

from cluster.metrics.metric import gauge

CERTIFICATE = gauge(
    "mobula_certificate_expiry_time_seconds",
    "Unix time at which the TLS certificate expires. Absent without TLS.",
    source="ingress",
)
OPERATOR_KEY = gauge(
    "mobula_operator_key_expiry_time_seconds",
    "Unix time at which the first of the operator's keys expires that administer or read metrics. "
    "Absent if none of them does.",
    source="ingress",
)
