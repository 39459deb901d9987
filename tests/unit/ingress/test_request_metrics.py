"""How many HTTP requests there were, and how long they took."""

from deployments.ingress.http.request_metrics import (
    BUCKETS_MS,
    RequestMetrics,
    RequestStats,
    render_requests,
    sum_stats,
)


def _values(stats: RequestStats) -> dict[str, float]:
    lines = render_requests(stats).decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def test_a_request_is_counted_by_status_and_duration() -> None:
    metrics = RequestMetrics()
    for status, ms in ((200, 0.4), (200, 3), (429, 3), (499, 120_000)):
        metrics.record(status, ms)

    found = _values(metrics.stats(open_requests=2))

    assert found['mobula_http_requests_total{status="200"}'] == 2
    assert found['mobula_http_requests_total{status="499"}'] == 1
    assert found["mobula_http_open"] == 2
    assert found['mobula_http_duration_seconds_bucket{le="0.001"}'] == 1
    assert found['mobula_http_duration_seconds_bucket{le="0.005"}'] == 3
    assert found['mobula_http_duration_seconds_bucket{le="60"}'] == 3
    assert found['mobula_http_duration_seconds_bucket{le="+Inf"}'] == 4
    assert found["mobula_http_duration_seconds_count"] == 4
    assert found["mobula_http_duration_seconds_sum"] == 120.0064


def test_replicas_are_summed() -> None:
    first, second = RequestMetrics(), RequestMetrics()
    first.record(200, 1)
    second.record(200, 1_000_000)
    second.record(503, 1)

    total = sum_stats([first.stats(1), second.stats(4), RequestStats()])

    assert total.statuses == {200: 2, 503: 1}
    assert (total.open, total.total_ms) == (5, 1_000_002)
    assert total.buckets == (2, *[0] * (len(BUCKETS_MS) - 1), 1)


def test_before_any_request_everything_is_zero() -> None:
    assert set(_values(RequestStats()).values()) == {0}
