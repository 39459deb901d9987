"""Metrics of the cache for Prometheus.

In: counters summed over the ingress replicas. Out: the text exposition format. A sum falls when a
replica ends, which Prometheus takes for a restart: use `rate()` and `increase()`.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deployments.contracts.cache import CacheStats, TierStats

PREFIX = "mobula_cache_"
_TIER_COUNTERS = (
    ("hits", "Responses found in the tier."),
    ("misses", "Responses not found in the tier."),
    ("evictions", "Responses evicted for others."),
    ("errors", "Calls of the tier that failed."),
)
_STORED = (("bytes", "Bytes stored now."), ("entries", "Responses stored now."))
_COUNTERS = (
    ("coalesced", "Requests answered by the computation of another one."),
    ("stale_served", "Stale responses served while they were recomputed."),
    ("errors_covered", "Stale responses served because computing failed."),
    ("refreshes", "Responses recomputed before they became stale."),
    ("bypassed", "Requests whose response may not be cached."),
    ("computed", "Responses computed by a model."),
    ("stored", "Computed responses that were stored."),
    ("invalidated", "Cached responses found invalidated."),
    ("tokens_saved", "Tokens of responses that no model computed."),
)


def render_metrics(stats: CacheStats) -> bytes:
    """All metrics of the cache."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_CacheStatsSource(stats))
    return generate_latest(registry)


class _CacheStatsSource(Collector):
    def __init__(self, stats: CacheStats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats
        tiers = {"l1": stats.l1, "l2": stats.l2, "l3": stats.l3}
        enabled = {name: tier for name, tier in tiers.items() if tier is not None}
        for name, description in _TIER_COUNTERS:
            yield _by_tier(
                CounterMetricFamily(PREFIX + name, description, labels=["tier"]), name, enabled
            )
        for name, description in _STORED:
            yield _by_tier(
                GaugeMetricFamily(PREFIX + name, description, labels=["tier"]), name, enabled
            )
        for name, description in _COUNTERS:
            yield CounterMetricFamily(PREFIX + name, description, value=getattr(stats, name))
        yield GaugeMetricFamily(
            PREFIX + "replicas", "Ingress replicas in the sums.", value=stats.replicas
        )


def _by_tier(
    family: CounterMetricFamily | GaugeMetricFamily, name: str, tiers: dict[str, TierStats]
) -> Metric:
    """Leaves out metrics that a tier does not have."""
    for tier, stats in tiers.items():
        value = getattr(stats, name)
        if value >= 0:
            family.add_metric([tier], value)
    return family
