"""The figures of all replicas' caches, added up. In: one report a replica. Out: CacheStats."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cluster.runtime.pickle_compat import version_tolerant
from deployments.cache.metrics import TenantCacheMetrics
from deployments.cache.semantic.error_bound import upper_bound
from deployments.cache.semantic.semantic_cache import SemanticCacheStats
from deployments.contracts.cache import CacheStats, SemanticStats, TierStats

_TIERS = ("l1", "l2", "l3")


@version_tolerant
@dataclass(frozen=True, slots=True)
class ReplicaCacheStats:
    """`counts` are of one tenant or of all; `tiers` holds each tier's figures, of all tenants;
    `semantic` is of one tenant, where meaning is looked at."""

    counts: TenantCacheMetrics
    tiers: Mapping[str, Mapping[str, int]]
    semantic: SemanticCacheStats | None = None


def cache_stats(reports: Sequence[ReplicaCacheStats], *, whole: bool) -> CacheStats:
    """`whole`: for all tenants. One tenant is not told how much is held of others."""
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
    """Hits and misses of each tier: what misses in one is looked for in the next."""
    beyond_l1 = counts.l2 + counts.l3 + counts.misses
    beyond_l2 = counts.l3 + counts.misses
    return {
        "l1": (counts.l1, beyond_l1),
        "l2": (counts.l2, beyond_l2),
        "l3": (counts.l3, counts.misses),
    }


def _tier(
    found: tuple[int, int], figures: Iterable[Mapping[str, int]], *, whole: bool
) -> TierStats:
    hits, misses = found
    if not whole:
        return TierStats(hits=hits, misses=misses, bytes=-1, entries=-1)
    held = list(figures)
    return TierStats(
        hits=hits,
        misses=misses,
        bytes=_sum(held, "bytes"),
        entries=_sum(held, "entries"),
        evictions=_sum(held, "evictions"),
        errors=_sum(held, "errors"),
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


def _sum(held: Sequence[Mapping[str, int]], name: str) -> int:
    """-1 where one of them cannot tell."""
    values = [figures.get(name, 0) for figures in held]
    return -1 if any(value < 0 for value in values) else sum(values)
