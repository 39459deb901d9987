"""Who uses the cluster: the first hundred tenants of a replica, the rest as `other`."""

from cluster.metrics.metric import counter

TENANTS = 100
_TENANT = "ids of tenants, of verified credentials only"

REQUESTS = counter(
    "mobula_tenant_requests_total",
    "HTTP requests of a tenant by outcome: ok, client_error, refused (429), server_error, left.",
    source="ingress",
    labels=("tenant", "outcome"),
    cap=TENANTS * 5,
    labels_from=_TENANT,
)
TOKENS = counter(
    "mobula_tenant_tokens_total",
    "Tokens that models took and generated for a tenant.",
    source="ingress",
    labels=("tenant", "direction"),
    cap=TENANTS * 2,
    labels_from=f"{_TENANT}; input, output",
)
