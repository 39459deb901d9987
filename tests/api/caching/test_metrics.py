"""The figures of the cache, as Prometheus reads them."""

from prometheus_client.parser import text_string_to_metric_families

from deployments.contracts.cache import CacheStats, TierStats
from deployments.ingress.http.cache_metrics import render_metrics


def series(stats: CacheStats) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(render_metrics(stats).decode())
    samples = [sample for family in families for sample in family.samples]
    return {(s.name, s.labels.get("tier", "")): s.value for s in samples}


def test_every_tier_that_is_on_has_its_series() -> None:
    stats = CacheStats(replicas=2, l1=TierStats(hits=5, bytes=9), l2=TierStats(bytes=-1), stored=3)
    found = series(stats)
    assert found["mobula_cache_hits_total", "l1"] == 5
    assert found["mobula_cache_bytes", "l1"] == 9
    assert found["mobula_cache_stored_total", ""] == 3
    assert found["mobula_cache_replicas", ""] == 2
    assert ("mobula_cache_bytes", "l2") not in found, "it cannot tell"
    assert not any(tier == "l3" for _, tier in found)
