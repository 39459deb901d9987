"""What each figure calls for, and how figures are read from reports."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.autoscaling.metrics import MetricsSnapshot, latency_name, snapshot
from cluster.autoscaling.policies import POLICIES, is_in_window
from cluster.autoscaling.spec import ScalingSpec, Window

AT = datetime(2026, 11, 16, 12, 0, tzinfo=UTC).timestamp()  # a Monday
SPEC = ScalingSpec(
    target_requests=8.0,
    target_cpu=0.5,
    target_memory=0.8,
    target_latency_s=2.0,
    cold_start_s=60.0,
    schedule=(Window(start="12:01", end="13:00", replicas=6),),
)
FULL = MetricsSnapshot(
    AT, 4, 4, requests=40.0, tokens=900.0, tokens_each=300.0, latency_s=3.0, cpu=1.0, memory=0.4
)


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        pytest.param("queue", 5.0, id="40 requests at 8 each"),
        pytest.param("tokens", 3.0, id="900 tokens at 300 each"),
        pytest.param("latency", 6.0, id="half over the target"),
        pytest.param("cpu", 8.0, id="twice the target"),
        pytest.param("memory", 2.0, id="half the target"),
        pytest.param("schedule", 6.0, id="a window that opens before a replica could be up"),
    ],
)
def test_a_figure_calls_for_replicas_in_proportion(policy: str, wanted: float) -> None:
    assert POLICIES[policy](FULL, SPEC) == pytest.approx(wanted)


@pytest.mark.parametrize("policy", ["queue", "tokens", "latency", "cpu", "memory"])
def test_a_figure_that_is_not_known_gives_no_number(policy: str) -> None:
    assert math.isnan(POLICIES[policy](MetricsSnapshot(AT, 4, 4, requests=math.nan), SPEC))


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.sampled_from(["queue", "tokens", "cpu", "latency"]))
def test_more_load_never_calls_for_less(one: float, other: float, policy: str) -> None:
    def wanted(load: float) -> float:
        reading = MetricsSnapshot(
            AT, 3, 3, requests=load, tokens=load, tokens_each=50.0, latency_s=load, cpu=load
        )
        return POLICIES[policy](reading, SPEC)

    assert wanted(min(one, other)) <= wanted(max(one, other))


@pytest.mark.parametrize(
    ("window", "day", "clock", "opened"),
    [
        (Window(start="09:00", end="17:00", replicas=1), 16, (9, 0), True),
        (Window(start="09:00", end="17:00", replicas=1), 16, (17, 0), False),
        (Window(start="09:00", end="17:00", replicas=1, days=(1,)), 16, (12, 0), False),
        (Window(start="22:00", end="02:00", replicas=1, days=(0,)), 17, (1, 59), True),
        (Window(start="22:00", end="02:00", replicas=1, days=(0,)), 16, (1, 59), False),
        (Window(start="22:00", end="02:00", replicas=1, days=(0,)), 16, (22, 0), True),
    ],
)
def test_windows_are_read_as_utc_and_may_pass_midnight(
    window: Window, day: int, clock: tuple[int, int], opened: bool
) -> None:
    assert is_in_window(window, datetime(2026, 11, day, *clock, tzinfo=UTC).timestamp()) is opened


def test_replicas_that_have_not_reported_are_taken_for_average() -> None:
    told = [
        {"running": 6.0, "queued": 2.0, "tokens": 100.0, "tokens_capacity": 400.0},
        {"running": 4.0, "queued": 0.0, "tokens": 300.0, "tokens_capacity": 400.0},
    ]
    reading = snapshot(AT, 3, 3, 11.0, told, SPEC)

    assert (reading.requests, reading.tokens, reading.tokens_each) == (18.0, 600.0, 400.0)


def test_links_are_no_requests() -> None:
    """Serve counts the call through which each was opened."""
    reports = [{"running": 1.0, "queued": 0.0, "links": 4.0}] * 3
    assert snapshot(AT, 3, 3, 12.0, reports, SPEC).requests == 3.0
    assert snapshot(AT, 3, 3, 17.0, reports, SPEC).requests == 5.0
    idle = [{"running": 0.0, "queued": 0.0, "links": 4.0}]
    assert snapshot(AT, 1, 1, 4.0, idle, SPEC).requests == 0.0
    assert snapshot(AT, 1, 1, 3.0, idle, SPEC).requests == 0.0


def test_callers_know_of_requests_that_no_replica_has() -> None:
    assert snapshot(AT, 3, 3, 99.0, [{"running": 1.0, "queued": 0.0}], SPEC).requests == 99.0


def test_silent_replicas_mean_that_nothing_is_known() -> None:
    assert math.isnan(snapshot(AT, 3, 3, 0.0, [], SPEC).requests)
    assert snapshot(AT, 3, 0, 7.0, [], SPEC).requests == 7.0


def test_a_replica_that_idles_says_little_of_the_latency() -> None:
    told = [
        {"ttft_p95_s": 4.0, "arrivals_per_s": 9.0, "running": 1.0, "queued": 0.0},
        {"ttft_p95_s": 0.0, "arrivals_per_s": 1.0, "running": 0.0, "queued": 0.0},
    ]
    assert snapshot(AT, 2, 2, 1.0, told, SPEC).latency_s == pytest.approx(3.6)


@pytest.mark.parametrize(("asked", "told"), [(0.5, 50), (0.8, 90), (0.95, 95), (0.999, 99)])
def test_the_next_reported_quantile_stands_for_the_one_asked_for(asked: float, told: int) -> None:
    assert latency_name("total", asked) == f"total_p{told}_s"
