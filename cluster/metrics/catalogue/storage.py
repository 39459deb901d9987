"""What is written to the store, and what was lost on the way."""

from cluster.metrics.metric import counter

LOST = counter(
    "mobula_lost_total",
    "Records that could not be kept: of the audit trail, of events.",
    source="ingress",
    labels=("what",),
    labels_from="audit, events",
)
