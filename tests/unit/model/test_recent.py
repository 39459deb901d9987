"""What a replica reports of its last half minute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.clock import ManualClock
from deployments.model.queueing.latency_stats import (
    QUANTILES,
    LatencyStats,
    QuantileSketch,
    quantiles,
)


@given(st.lists(st.floats(0.001, 600), min_size=1, max_size=300))
def test_quantiles_are_at_most_a_tenth_off(seconds: list[float]) -> None:
    sketch = QuantileSketch()
    for each in seconds:
        sketch.add(each)

    for quantile, found in zip(QUANTILES, quantiles([sketch]), strict=True):
        exact = sorted(seconds)[max(0, -int(-quantile * len(seconds) // 1) - 1)]
        assert found == pytest.approx(exact, rel=0.1)


def test_nothing_and_very_much_have_quantiles_too() -> None:
    sketch = QuantileSketch()
    assert quantiles([sketch]) == (0.0,) * 4
    sketch.add(1e9)
    sketch.add(0.0)
    assert quantiles([sketch])[0] < 0.002 < 600 < quantiles([sketch])[-1]


def test_arrivals_and_latencies_of_the_last_half_minute_count() -> None:
    clock = ManualClock()
    recent = LatencyStats(clock)
    for _ in range(40):
        since = clock.monotonic()
        recent.record_arrival(since)
        clock.advance(0.5)
        recent.record_first_token(since, clock.monotonic())
        recent.record_response(since, clock.monotonic())

    found = recent.summary()
    assert found["arrivals_per_s"] == pytest.approx(2.0, rel=0.1)
    assert found["ttft_p50_s"] == found["total_p99_s"] == pytest.approx(0.5, rel=0.1)

    clock.advance(60.0)
    assert set(recent.summary().values()) == {0.0}


def test_a_first_burst_is_no_endless_rate() -> None:
    clock = ManualClock()
    recent = LatencyStats(clock)
    for _ in range(50):
        recent.record_arrival(clock.monotonic())
    assert recent.summary()["arrivals_per_s"] == pytest.approx(10.0)
