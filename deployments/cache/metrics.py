"""Counters of the response cache: of one replica by tenant, and summed over all replicas.

In: one increment after each request. Out: whole numbers since the start, and `CacheStats`. Tenants
beyond the first ten thousand share one counter, so that memory stays bounded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from cluster.runtime.pickle_compat import version_tolerant
from deployments.cache.semantic.error_bound import upper_bound
from deployments.cache.semantic.semantic_cache import SemanticCacheStats
from deployments.contracts.cache import CacheStats, SemanticStats, TierStats

OTHERS = ""
_MAX_TENANTS = 10_000
_TIERS = ("l1", "l2", "l3")


@dataclass(slots=True)
class TenantCacheMetrics:
    """`misses` were computed, here or by another request; the rest as in CacheStats."""

    l1: int = 0
    l2: int = 0
    l3: int = 0
    semantic: int = 0
    misses: int = 0
    coalesced: int = 0
    stale_served: int = 0
    errors_covered: int = 0
    refreshes: int = 0
    bypassed: int = 0
    computed: int = 0
    stored: int = 0
    invalidated: int = 0
    tokens_saved: int = 0

    def add(self, other: "TenantCacheMetrics") -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


class CacheMetrics(dict[str, TenantCacheMetrics]):
    """Counters by tenant: `metrics[tenant].bypassed += 1`."""

    def __missing__(self, tenant: str) -> TenantCacheMetrics:
        name = tenant if len(self) < _MAX_TENANTS else OTHERS
        return self.setdefault(name, TenantCacheMetrics())

    def total(self, tenant: str | None) -> TenantCacheMetrics:
        """A copy: of one tenant, or the sum of all."""
        total = TenantCacheMetrics()
        for name, metrics in self.items():
            if tenant is None or name == tenant:
                total.add(metrics)
        return total


@version_tolerant
@dataclass(frozen=True, slots=True)
class ReplicaCacheStats:
    """One replica's report. `counts` are of one tenant or of all, `tiers` each tier's metrics for
    all tenants, `semantic` of one tenant where semantic caching is on."""

    counts: TenantCacheMetrics
    tiers: Mapping[str, Mapping[str, int]]
    semantic: SemanticCacheStats | None = None


def cache_stats(reports: Sequence[ReplicaCacheStats], *, whole: bool) -> CacheStats:
    """The sum of all replicas' reports. `whole`: for all tenants. A single tenant does not see how
    much a tier holds in all."""
    counts = TenantCacheMetrics()
    for report in reports:
        counts.add(report.counts)
    lookups = _lookups(counts)
    tiers = {
        name: _tier(lookups[name], [r.tiers[name] for r in reports if name in r.tiers], whole=whole)
        for name in _TIERS
        if any(name in report.tiers for report in reports)
    }
    return CacheStats(
        replicas=len(reports),
        l1=tiers.get("l1"),
        l2=tiers.get("l2"),
        l3=tiers.get("l3"),
        coalesced=counts.coalesced,
        stale_served=counts.stale_served,
        errors_covered=counts.errors_covered,
        refreshes=counts.refreshes,
        bypassed=counts.bypassed,
        computed=counts.computed,
        stored=counts.stored,
        invalidated=counts.invalidated,
        tokens_saved=counts.tokens_saved,
        semantic=_semantic([r.semantic for r in reports if r.semantic is not None]),
    )


def _lookups(counts: TenantCacheMetrics) -> Mapping[str, tuple[int, int]]:
    """Hits and misses of each tier: a miss in one tier is looked up in the next."""
    beyond_l1 = counts.l2 + counts.l3 + counts.misses
    beyond_l2 = counts.l3 + counts.misses
    return {
        "l1": (counts.l1, beyond_l1),
        "l2": (counts.l2, beyond_l2),
        "l3": (counts.l3, counts.misses),
    }


def _tier(
    lookups: tuple[int, int], reported: Iterable[Mapping[str, int]], *, whole: bool
) -> TierStats:
    hits, misses = lookups
    if not whole:
        return TierStats(hits=hits, misses=misses, bytes=-1, entries=-1)
    metrics = list(reported)
    return TierStats(
        hits=hits,
        misses=misses,
        bytes=_sum(metrics, "bytes"),
        entries=_sum(metrics, "entries"),
        evictions=_sum(metrics, "evictions"),
        errors=_sum(metrics, "errors"),
    )


def _semantic(reports: Sequence[SemanticCacheStats]) -> SemanticStats | None:
    if not reports:
        return None
    checks, errors = sum(r.checks for r in reports), sum(r.errors for r in reports)
    return SemanticStats(
        entries=sum(r.entries for r in reports),
        compared=sum(r.compared for r in reports),
        hits=sum(r.hits for r in reports),
        checks=checks,
        errors=errors,
        error=errors / checks if checks else None,
        error_upper=upper_bound(errors, checks),
        bound=max(r.bound for r in reports),
    )


def _sum(metrics: Sequence[Mapping[str, int]], name: str) -> int:
    """-1 where the value of one replica is unknown."""
    values = [each.get(name, 0) for each in metrics]
    return -1 if any(value < 0 for value in values) else sum(values)
