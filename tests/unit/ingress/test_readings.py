"""Figures that exist already, under the catalogue's names."""

from dataclasses import asdict

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.replica_state import ReplicaInfo
from cluster.balancing.request_info import RoutingRequest
from cluster.balancing.spec import RoutingSpec
from cluster.health.figures import DependencyFigures
from cluster.metrics.catalogue import cache, health, models
from cluster.metrics.series import Reading
from cluster.resilience.breaker import BreakerFigures
from cluster.resilience.resilient_call import CallStats
from cluster.runtime.clock import ManualClock
from deployments.cache.metrics import ReplicaCacheStats, TenantCacheMetrics
from deployments.ingress.metrics.cache_readings import cache_readings
from deployments.ingress.metrics.health_readings import health_readings
from deployments.ingress.metrics.model_readings import (
    CallReport,
    balancing_readings,
    model_readings,
)


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


def test_calls_are_reported_by_model_and_links_where_there_are_any() -> None:
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


def test_a_breaker_tells_how_often_it_opened_and_closed() -> None:
    report = report_of("open", 1)
    report["nano"]["breaker"].update(opened=3, closed=2)

    found = values(list(model_readings(report)))[models.BREAKER_TRANSITIONS.name]

    assert found == {("nano", "open"): 3, ("nano", "closed"): 2}


def test_why_replicas_were_chosen_is_counted_by_deployment() -> None:
    replicas = ReplicaSet(RoutingSpec(), ManualClock())
    replicas.update([ReplicaInfo("r1", "n", stats={})])
    replicas.place(RoutingRequest("call1"), ["r1"])
    replicas.place(RoutingRequest("call2", replica="r1"), ["r1"])

    found = values(list(balancing_readings({"nano": "Model:nano"}, lambda _: replicas)))

    assert found[models.ROUTED.name] == {
        ("Model:nano", "named"): 1,
        ("Model:nano", "trial"): 0,
        ("Model:nano", "only"): 1,
        ("Model:nano", "policy"): 0,
        ("Model:nano", "ejected"): 0,
    }
    assert found[models.EJECTED.name] == {("Model:nano",): 0}


def test_dependencies_are_reported_as_their_checks_found_them() -> None:
    figures = {
        "store": DependencyFigures("store", 1.0, 90.0, 9, 2, 1, 3, 4, 0.25),
        "redis": DependencyFigures("redis", None, None, 0, 0, 0, 0, 0, None),
    }

    found = values(list(health_readings(figures, 100.0)))

    assert found[health.UP.name] == {("store",): 1.0}, "what is off is neither up nor down"
    assert found[health.LATENCY.name] == {("store",): 0.25}
    assert found[health.STATE_AGE.name] == {("store",): 10.0}
    checks = {
        outcome: n for (name, outcome), n in found[health.CHECKS.name].items() if name == "store"
    }
    assert checks == {"good": 7, "fault": 1, "timeout": 1, "skipped": 3}
