"""How many HTTP requests there were, of which route, and how long they took."""

import pytest

from cluster.metrics.catalogue import http, tenants
from cluster.metrics.metric import DURATION_S, OTHER, OVERHEAD_S, Metric
from cluster.metrics.series import Distribution, LabelValues
from deployments.ingress.http.request_metrics import (
    MAX_CELLS,
    OUTCOMES,
    RequestMetrics,
    outcome_of,
)

CHAT = "/v1/chat/completions"


def template_of(path: str) -> str:
    if path.startswith("/api/v1/jobs/"):
        return "/api/v1/jobs/{job}"
    return path if path == CHAT else OTHER


def samples(metrics: RequestMetrics, metric: Metric) -> dict[LabelValues, float | Distribution]:
    readings = dict(metrics.read(open_requests=2))
    return dict(readings[metric])


@pytest.fixture
def metrics() -> RequestMetrics:
    return RequestMetrics(template_of, {CHAT: "chat"})


def test_a_request_is_counted_by_route_method_and_status(metrics: RequestMetrics) -> None:
    for status in (200, 200, 429):
        metrics.record(CHAT, "POST", status, 3.0, 10, "t1")
    metrics.record("/api/v1/jobs/1", "GET", 200, 3.0, 10, "t1")
    metrics.record("/api/v1/jobs/2", "GET", 200, 3.0, 10, "t1")

    assert samples(metrics, http.REQUESTS) == {
        (CHAT, "POST", "200"): 2,
        (CHAT, "POST", "429"): 1,
        ("/api/v1/jobs/{job}", "GET", "200"): 2,
    }
    assert samples(metrics, http.RESPONSE_BYTES)[CHAT,] == 30
    assert samples(metrics, http.OPEN) == {(): 2}


def test_every_outcome_is_there_before_its_first_request(metrics: RequestMetrics) -> None:
    """A series that is born with its first failure has no rate until the second one."""
    assert samples(metrics, http.OUTCOMES) == {(outcome,): 0 for outcome in OUTCOMES}

    for status in (200, 204, 404, 429, 499, 500, 503):
        metrics.record(CHAT, "POST", status, 3.0, 10, "t1")

    assert samples(metrics, http.OUTCOMES) == {
        ("ok",): 2,
        ("client_error",): 1,
        ("limited",): 1,
        ("server_error",): 2,
        ("left",): 1,
    }


def test_streams_and_feeds_have_durations_of_their_own(metrics: RequestMetrics) -> None:
    for kind, ms in (("unary", 5.0), ("stream", 900.0), ("feed", 3_600_000.0)):
        metrics.record(CHAT, "POST", 200, ms, 10, "t1", None, kind)

    counts = samples(metrics, http.DURATION)

    assert set(counts) == {(CHAT, "unary"), (CHAT, "stream"), (CHAT, "feed")}
    assert samples(metrics, http.REQUESTS) == {(CHAT, "POST", "200"): 3}
    assert samples(metrics, http.RESPONSE_BYTES) == {(CHAT,): 30}


def test_operations_are_counted_by_outcome_and_have_an_overhead(metrics: RequestMetrics) -> None:
    metrics.record(CHAT, "POST", 200, 900.0, 10, "t1", None, "stream", 0.3)
    metrics.record(CHAT, "POST", 200, 50.0, 10, "t1", overhead_ms=0.7)
    metrics.record(CHAT, "POST", 499, 50.0, 0, "t1", "client-gone")
    metrics.record(CHAT, "GET", 405, 1.0, 10, None, "method-not-allowed", overhead_ms=0.1)
    metrics.record("/api/v1/jobs/1", "GET", 200, 3.0, 10, "t1", overhead_ms=2.0)

    outcomes = samples(metrics, http.OPERATIONS)
    overheads = samples(metrics, http.OVERHEAD)

    assert outcomes["chat", "ok"] == 2
    assert outcomes["chat", "left"] == 1
    assert outcomes["chat", "server_error"] == 0
    assert {operation for operation, _ in outcomes} == {"chat"}
    counts, total, _ = overheads.pop(("chat",))  # type: ignore[misc]
    assert not overheads
    assert total == pytest.approx(0.001)
    assert list(counts) == [0, 1, 1, *[0] * (len(OVERHEAD_S) - 2)], "none for what never began"


def test_durations_are_those_of_a_route_whatever_its_status(metrics: RequestMetrics) -> None:
    for status, ms in ((200, 5.0), (500, 10.0), (200, 1e9)):
        metrics.record(CHAT, "POST", status, ms, 0, None)

    value = samples(metrics, http.DURATION)[CHAT, "unary"]

    assert isinstance(value, tuple)
    assert list(value[0]) == [2, *[0] * (len(DURATION_S) - 1), 1]
    assert value[1] == pytest.approx(1_000_000.015)


def test_nothing_that_a_stranger_sends_becomes_a_label(metrics: RequestMetrics) -> None:
    for number in range(3 * MAX_CELLS):
        metrics.record(f"/guess/{number}", f"BREW{number}", 404, 1.0, 0, None, "not-found")

    assert samples(metrics, http.REQUESTS) == {(OTHER, OTHER, "404"): 3 * MAX_CELLS}
    assert samples(metrics, http.PROBLEMS) == {("not-found",): 3 * MAX_CELLS}
    assert samples(metrics, tenants.REQUESTS) == {}


def test_memory_is_bounded_whatever_routes_there_are() -> None:
    metrics = RequestMetrics(lambda path: path)
    for number in range(3 * MAX_CELLS):
        metrics.record(f"/{number}", "GET", 200, 1.0, 0, f"t{number}")

    found = samples(metrics, http.REQUESTS)

    assert len(found) == MAX_CELLS + 1
    assert found[OTHER, "GET", "200"] == 2 * MAX_CELLS


def test_tenants_are_counted_by_outcome(metrics: RequestMetrics) -> None:
    for tenant, status in (("a", 200), ("a", 304), ("a", 429), ("b", 499), ("b", 503), ("b", 404)):
        metrics.record(CHAT, "POST", status, 1.0, 0, tenant)

    assert samples(metrics, tenants.REQUESTS) == {
        ("a", "ok"): 2,
        ("a", "limited"): 1,
        ("b", "left"): 1,
        ("b", "server_error"): 1,
        ("b", "client_error"): 1,
    }
    assert outcome_of(101) == "ok"


def test_a_traced_request_is_the_example_of_its_bucket(metrics: RequestMetrics) -> None:
    metrics.record(CHAT, "POST", 200, 15.0, 0, None)
    metrics.exemplify(CHAT, "unary", 15.0, "abc", 7.0)

    value = samples(metrics, http.DURATION)[CHAT, "unary"]

    assert isinstance(value, tuple)
    assert value[2] == {1: ("abc", 0.015, 7.0)}


def test_before_any_request_there_are_no_series(metrics: RequestMetrics) -> None:
    assert samples(metrics, http.REQUESTS) == samples(metrics, http.DURATION) == {}
