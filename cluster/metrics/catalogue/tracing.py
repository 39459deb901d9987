"""Traces: which requests were recorded, and what reached a collector."""

from cluster.metrics.metric import counter

_REASONS = "sampled, failed, slow"

RECORDED = counter(
    "mobula_traces_recorded_total",
    "Requests whose trace was recorded, by the reason.",
    source="ingress",
    labels=("reason",),
    labels_from=_REASONS,
)
DROPPED = counter(
    "mobula_traces_dropped_total",
    "Failed or slow requests whose trace was not recorded, as too many were in that second.",
    source="ingress",
    labels=("reason",),
    labels_from=_REASONS,
)
EXPORTED = counter(
    "mobula_telemetry_exported_total",
    "Spans and log records that a collector has taken, and those that were lost on the way.",
    source="every replica",
    labels=("signal", "outcome"),
    labels_from="traces, logs; sent, lost",
)
