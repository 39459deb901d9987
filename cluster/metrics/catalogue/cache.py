"""The response cache: by tier in an ingress replica, and what a shard of the shared tier holds."""

from cluster.metrics.metric import counter, gauge

_TIER = ("tier",)
_TIERS = "l1, l2, l3"

HITS = counter(
    "mobula_cache_hits_total",
    "Responses found in the tier.",
    source="ingress",
    labels=_TIER,
    labels_from=_TIERS,
)
MISSES = counter(
    "mobula_cache_misses_total",
    "Responses not found in the tier.",
    source="ingress",
    labels=_TIER,
    labels_from=_TIERS,
)
EVICTIONS = counter(
    "mobula_cache_evictions_total",
    "Responses evicted for others.",
    source="ingress",
    labels=_TIER,
    labels_from=_TIERS,
)
ERRORS = counter(
    "mobula_cache_errors_total",
    "Calls of the tier that failed.",
    source="ingress",
    labels=_TIER,
    labels_from=_TIERS,
)
BYTES = gauge(
    "mobula_cache_bytes",
    "Bytes stored now, as far as the replica can tell.",
    source="ingress",
    labels=_TIER,
    labels_from=_TIERS,
)
ENTRIES = gauge(
    "mobula_cache_entries",
    "Responses stored now, as far as the replica can tell.",
    source="ingress",
    labels=_TIER,
    labels_from=_TIERS,
)
COALESCED = counter(
    "mobula_cache_coalesced_total",
    "Requests answered by the computation of another one.",
    source="ingress",
)
STALE_SERVED = counter(
    "mobula_cache_stale_served_total",
    "Stale responses served while they were recomputed.",
    source="ingress",
)
ERRORS_COVERED = counter(
    "mobula_cache_errors_covered_total",
    "Stale responses served because computing failed.",
    source="ingress",
)
REFRESHES = counter(
    "mobula_cache_refreshes_total",
    "Responses recomputed before they became stale.",
    source="ingress",
)
BYPASSED = counter(
    "mobula_cache_bypassed_total",
    "Requests whose response may not be cached.",
    source="ingress",
)
COMPUTED = counter(
    "mobula_cache_computed_total", "Responses computed by a model.", source="ingress"
)
STORED = counter(
    "mobula_cache_stored_total", "Computed responses that were stored.", source="ingress"
)
INVALIDATED = counter(
    "mobula_cache_invalidated_total", "Cached responses found invalidated.", source="ingress"
)
TOKENS_SAVED = counter(
    "mobula_cache_tokens_saved_total",
    "Tokens of responses that no model computed.",
    source="ingress",
)
SHARD_BYTES = gauge(
    "mobula_cache_shard_bytes", "Bytes that a shard of the shared tier holds.", source="cache"
)
SHARD_ENTRIES = gauge(
    "mobula_cache_shard_entries",
    "Responses that a shard of the shared tier holds.",
    source="cache",
)
SHARD_EVICTIONS = counter(
    "mobula_cache_shard_evictions_total",
    "Responses that a shard of the shared tier evicted for others.",
    source="cache",
)
