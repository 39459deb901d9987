"""Figures that exist already, under the catalogue's names."""

from dataclasses import asdict

from cluster.metrics.catalogue import cache, models
from cluster.metrics.series import Reading
from cluster.resilience.breaker import BreakerFigures
from cluster.resilience.resilient_call import CallStats
from deployments.cache.metrics import ReplicaCacheStats, TenantCacheMetrics
from deployments.ingress.metrics.cache_readings import cache_readings
from deployments.ingress.metrics.model_readings import CallReport, model_readings


def values(readings: list[Reading]) -> dict[str, dict[tuple[str, ...], object]]:
    return {metric.name: dict(samples) for metric, samples in readings}


def test_every_tier_that_is_on_has_its_series() -> None:
    counts = TenantCacheMetrics(l1=5, misses=2, stored=3)
    tiers = {"l1": {"bytes": 9, "entries": 1}, "l2": {"bytes": -1, "entries": -1}}

    found = values(list(cache_readings(ReplicaCacheStats(counts, tiers))))

    assert found[cache.HITS.name] == {("l1",): 5, ("l2",): 0}
    assert found[cache.BYTES.name] == {("l1",): 9}, "l2 cannot tell"
    assert found[cache.STORED.name] == {(): 3}


def report_of(state: str, number: int, **links: int) -> CallReport:
    breaker = BreakerFigures("closed", 0, 0.0, 0.0, 0, None, 0.0, 0.0, 0)
    counts = asdict(CallStats(breaker, number, number, 1, 0, 0)) | {"fallbacks": 2}
    counts["breaker"]["state"] = state
    return {"nano": counts | ({"links": links} if links else {})}


def test_calls_are_told_by_model_and_links_where_there_are_any() -> None:
    links = {"links": 2, "opened": 5, "failed": 1, "by_handle": 3}
    found = values(list(model_readings(report_of("closed", 7, **links))))

    assert found[models.CALLS.name] == {("nano",): 7}
    assert found[models.RETRIES.name] == {("nano",): 1}
    assert found[models.FALLBACKS.name] == {("nano",): 2}
    assert found[models.LINKS_BY_HANDLE.name] == {("nano",): 3}
    assert values(list(model_readings(report_of("closed", 1))))[models.LINKS.name] == {}


def test_a_breaker_is_a_number_that_rises_as_it_opens() -> None:
    states = ("closed", "half-open", "open")
    found = [values(list(model_readings(report_of(state, 1)))) for state in states]
    assert [each[models.BREAKER.name]["nano",] for each in found] == [0, 1, 2]
