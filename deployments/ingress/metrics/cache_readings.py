"""The response cache of one replica, as the catalogue names its figures.

In: the replica's own report. Out: readings.
"""

from collections.abc import Iterator

from cluster.metrics.catalogue import cache
from cluster.metrics.series import Reading
from deployments.cache.metrics import ReplicaCacheStats, cache_stats

_OF_TIERS = (
    (cache.HITS, "hits"),
    (cache.MISSES, "misses"),
    (cache.EVICTIONS, "evictions"),
    (cache.ERRORS, "errors"),
    (cache.BYTES, "bytes"),
    (cache.ENTRIES, "entries"),
)
_COUNTS = (
    (cache.COALESCED, "coalesced"),
    (cache.STALE_SERVED, "stale_served"),
    (cache.ERRORS_COVERED, "errors_covered"),
    (cache.REFRESHES, "refreshes"),
    (cache.BYPASSED, "bypassed"),
    (cache.COMPUTED, "computed"),
    (cache.STORED, "stored"),
    (cache.INVALIDATED, "invalidated"),
    (cache.TOKENS_SAVED, "tokens_saved"),
)


def cache_readings(report: ReplicaCacheStats) -> Iterator[Reading]:
    """`report` is of all tenants. A tier that cannot tell a figure is left out of it."""
    stats = cache_stats([report], whole=True)
    tiers = {"l1": stats.l1, "l2": stats.l2, "l3": stats.l3}
    for metric, name in _OF_TIERS:
        values = [((key,), getattr(tier, name)) for key, tier in tiers.items() if tier is not None]
        yield metric, [(labels, value) for labels, value in values if value >= 0]
    for metric, name in _COUNTS:
        yield metric, [((), getattr(stats, name))]
