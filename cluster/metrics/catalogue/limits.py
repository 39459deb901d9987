"""Limits: what was refused, and whether the authority answers."""

from cluster.metrics.metric import LATENCY_S, counter, gauge, histogram

FULLEST = 20  # budgets that a replica tells of

REFUSALS = counter(
    "mobula_limit_refusals_total",
    "Requests and calls that a limit refused, or would have (shadow).",
    source="ingress",
    labels=("limit", "shadow"),
    labels_from="names of limits; yes, no",
)
AUTHORITY_UP = gauge(
    "mobula_limit_authority_up",
    "Whether the limits' authority answers (1) or limits are estimated (0).",
    source="ingress",
)
EXCHANGES = histogram(
    "mobula_limit_exchange_seconds",
    "Seconds of the exchanges of credits with the limits' authority.",
    source="ingress",
    labels=("outcome",),
    buckets=LATENCY_S,
    labels_from="answered, unavailable, moved",
)
BUDGET_USED = gauge(
    "mobula_budget_used_ratio",
    "What is used of a budget: those of this replica's tenants that are half spent or more, the "
    "fullest ones only.",
    source="ingress",
    labels=("tenant", "limit"),
    cap=FULLEST,
    labels_from="ids of tenants, of verified credentials only; names of limits",
)
BUCKETS = gauge(
    "mobula_limit_buckets", "Buckets that a shard of the limiter holds.", source="limiter"
)
DIRECTORY_AGE = gauge(
    "mobula_directory_age_seconds",
    "Age of what a replica knows of tenants, keys and plans.",
    source="ingress",
)
INVALIDATIONS_AGE = gauge(
    "mobula_invalidations_age_seconds",
    "Age of what a replica knows of invalidated responses.",
    source="ingress",
)
FINDINGS = counter(
    "mobula_guardrail_findings_total",
    "What rules of guardrails have found, by what was done; unchecked: a rule could not be asked.",
    source="ingress",
    labels=("policy", "rule", "action", "direction"),
    labels_from="configured policies and their rules",
)
