"""What the cache did as Prometheus reads it.

Flows in: figures summed over the ingress replicas. Flows out: the text exposition format. A sum
falls when a replica ends, which Prometheus takes for a restart: use `rate()` and `increase()`.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deployments.contracts.cache import CacheStats, TierStats

PREFIX = "mobula_cache_"
_OF_A_TIER = (
    ("hits", "Answers found in the tier."),
    ("misses", "Answers looked for in the tier and not found."),
    ("evictions", "Answers given up for others."),
    ("errors", "Calls of the tier that failed."),
)
_HELD = (("bytes", "Bytes held now."), ("entries", "Answers held now."))
_OF_ALL = (
    ("coalesced", "Requests that another one's computation answered."),
    ("stale_served", "Answers served while they were computed anew."),
    ("errors_covered", "Kept answers served because computing failed."),
    ("refreshes", "Answers computed anew before anybody had to wait."),
    ("bypassed", "Requests whose answer may not be kept."),
    ("computed", "Answers computed by a model."),
    ("stored", "Computed answers that were kept."),
    ("invalidated", "Kept answers found worthless."),
    ("tokens_saved", "Tokens of answers that no model had to compute."),
)


def render_metrics(stats: CacheStats) -> bytes:
    """All series of the cache."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_CacheStatsSource(stats))
    return generate_latest(registry)


class _CacheStatsSource(Collector):
    def __init__(self, stats: CacheStats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats
        tiers = {"l1": stats.l1, "l2": stats.l2, "l3": stats.l3}
        on = {name: tier for name, tier in tiers.items() if tier is not None}
        for name, about in _OF_A_TIER:
            yield _by_tier(CounterMetricFamily(PREFIX + name, about, labels=["tier"]), name, on)
        for name, about in _HELD:
            yield _by_tier(GaugeMetricFamily(PREFIX + name, about, labels=["tier"]), name, on)
        for name, about in _OF_ALL:
            yield CounterMetricFamily(PREFIX + name, about, value=getattr(stats, name))
        yield GaugeMetricFamily(
            PREFIX + "replicas", "Ingress replicas that are counted.", value=stats.replicas
        )


def _by_tier(
    family: CounterMetricFamily | GaugeMetricFamily, name: str, tiers: dict[str, TierStats]
) -> Metric:
    """Leaves out what a tier cannot tell."""
    for tier, figures in tiers.items():
        value = getattr(figures, name)
        if value >= 0:
            family.add_metric([tier], value)
    return family
