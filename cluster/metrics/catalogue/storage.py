"""The store, what is written to it, what was lost on the way, and webhooks."""

from cluster.metrics.metric import counter, gauge, histogram

TRANSACTIONS = histogram(
    "mobula_store_transaction_seconds",
    "Seconds of transactions of the relational store, waiting for a connection included.",
    source="ingress, clipper",
    labels=("kind",),
    labels_from="read, write",
)
UNAVAILABLE = counter(
    "mobula_store_unavailable_total",
    "Transactions that the store could not be reached for.",
    source="ingress, clipper",
)
UP = gauge(
    "mobula_store_up",
    "Whether the last transaction reached the store (1).",
    source="ingress, clipper",
)
LOST = counter(
    "mobula_lost_total",
    "Records that could not be kept.",
    source="ingress",
    labels=("what",),
    labels_from="audit, events",
)
LEDGER_BEHIND = gauge(
    "mobula_ledger_unwritten_seconds",
    "Seconds for which usage has waited to be written to the ledger; 0: all of it is written.",
    source="ingress",
)
DELIVERIES = counter(
    "mobula_webhook_deliveries_total",
    "Attempts to deliver an event to a webhook, by outcome: delivered, retried, failed.",
    source="ingress",
    labels=("outcome",),
    labels_from="delivered, retried, failed",
)
DELIVERIES_OPEN = gauge(
    "mobula_webhook_open_deliveries",
    "Deliveries to webhooks that this replica attempts now.",
    source="ingress",
)
WEBHOOK_BACKLOG = gauge(
    "mobula_webhook_backlog",
    "Deliveries to webhooks that are due; every replica sees the same ones.",
    source="ingress",
)
WEBHOOK_OLDEST = gauge(
    "mobula_webhook_oldest_due_seconds",
    "Seconds for which the oldest of those deliveries has been due.",
    source="ingress",
)
