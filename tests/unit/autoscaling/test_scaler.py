"""A deployment's scaling as a whole: the hybrid of its policies, over time."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.autoscaling.decision import Bounds
from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.scaler import Scaler, SlidingMin
from cluster.autoscaling.spec import ScalingSpec

OPEN = Bounds()


def targets(
    loads: list[float], spec: ScalingSpec, start: int = 2, every_s: float = 1.0
) -> list[int]:
    """What is asked for, one reading after the other, of a fleet that is up at once."""
    scaler, target, found = Scaler("model", spec), start, []
    for index, load in enumerate(loads):
        reading = MetricsSnapshot(1e9 + index * every_s, target, target, load, tokens=0.0)
        target = scaler.decide(reading, OPEN).target
        found.append(target)
    return found


def test_a_burst_that_is_over_before_a_replica_could_be_up_asks_for_none() -> None:
    spec = ScalingSpec(policies=("queue",), cold_start_s=60.0, max_replicas=20)
    burst = [8.0] * 30 + [80.0] * 15 + [8.0] * 30
    lasting = [8.0] * 30 + [80.0] * 30

    assert set(targets(burst, spec)[:60]) == {2}
    assert targets(lasting, spec)[-1] == 10


def test_the_most_that_a_policy_wants_counts_and_is_named() -> None:
    spec = ScalingSpec(policies=("queue", "tokens"), target_tokens=100.0, max_replicas=20)
    reading = MetricsSnapshot(1e9, 2, 2, requests=24.0, tokens=500.0)
    decision = Scaler("model", spec).decide(reading, OPEN)

    assert (decision.target, decision.bound) == (5, "tokens")
    assert "queue 3.00, tokens 5.00" in decision.reason
    assert decision.signals["tokens"] == 500.0


@given(st.floats(0, 150), st.integers(1, 20))
def test_constant_load_is_met_and_never_turns_the_target_round(load: float, start: int) -> None:
    spec = ScalingSpec(max_replicas=20, cooldown_s=30.0, cold_start_s=20.0)
    found = targets([load] * 150, spec, start=start)
    steps = [after - before for before, after in zip(found, found[1:], strict=False)]

    assert all(step >= 0 for step in steps) or all(step <= 0 for step in steps)
    assert found[-1] >= min(20, load / spec.target_requests)
    most = load * (1 + spec.hysteresis) / spec.target_requests
    assert found[-1] <= max(1, math.ceil(most + 0.01))


def test_random_steady_load_turns_round_at_most_once_in_ten_minutes() -> None:
    noise = random.Random(11)
    loads = [max(0.0, noise.gauss(80.0, 8.0)) for _ in range(720)]
    spec = ScalingSpec(max_replicas=40, cold_start_s=60.0)
    found = targets(loads, spec, start=12, every_s=5.0)
    steps = [b - a for a, b in zip(found, found[1:], strict=False) if a != b]
    flips = sum((a > 0) != (b > 0) for a, b in zip(steps, steps[1:], strict=False))
    assert flips <= 6, "an hour"


@given(
    st.lists(st.tuples(st.floats(0, 1e6) | st.just(math.nan), st.floats(0, 1e6)), max_size=60),
    st.integers(0, 3),
    st.integers(3, 30),
)
def test_whatever_is_measured_the_target_keeps_its_bounds(
    figures: list[tuple[float, float]], least: int, most: int
) -> None:
    spec = ScalingSpec(
        policies=("queue", "tokens", "forecast", "cpu", "latency"),
        min_replicas=least,
        max_replicas=most,
    )
    scaler, target = Scaler("model", spec), most
    for index, (requests, other) in enumerate(figures):
        reading = MetricsSnapshot(
            1e9 + index, target, target, requests, other, 100.0, other / 1e5, other / 1e6
        )
        target = scaler.decide(reading, OPEN).target
        assert least <= target <= most


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.integers(0, 20))
def test_what_has_lasted_is_the_least_of_the_window(values: list[float], over: int) -> None:
    lasting = SlidingMin()
    found = [lasting.update(float(at), value, float(over)) for at, value in enumerate(values)]
    assert found == [
        pytest.approx(min(values[max(0, at - over) : at + 1])) for at in range(len(values))
    ]
