"""The simulated fleet, the traces and the contenders of `bench autoscaling`.

Cases that simulate for long run with --all only.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from cluster.autoscaling.spec import ScalingSpec
from load_tests.benchmarks.scaling.autoscaling.comparison import SweepPoint, interpolate_cost
from load_tests.benchmarks.scaling.autoscaling.contenders import OurPolicies, RayDefault
from load_tests.benchmarks.scaling.autoscaling.optimal_plan import (
    compute_busy_hours,
    compute_demand,
    find_optimum,
)
from load_tests.benchmarks.scaling.autoscaling.plots import draw_plots
from load_tests.benchmarks.scaling.autoscaling.simulated_replicas import (
    ReplicaProfile,
    SimulatedReplicas,
)
from load_tests.benchmarks.scaling.autoscaling.simulator import (
    ObservedMetrics,
    count_flips,
    simulate,
)
from load_tests.benchmarks.scaling.autoscaling.traces import HOUR, NAMES, Trace, generate_trace

MACHINE = ReplicaProfile(slots=2, read_per_s=1e12, write_per_s=10.0, cold_start_s=5.0)


def trace(arrivals: Sequence[float], tokens: int = 10, length_s: float = 60.0) -> Trace:
    """Requests of `tokens` / 10 seconds each."""
    count = len(arrivals)
    answers = np.full(count, float(tokens))
    return Trace("t", 1, length_s / HOUR, 0.0, np.array(arrivals, float), np.ones(count), answers)


class Fixed:
    def __init__(self, replicas: int) -> None:
        self._replicas = replicas

    def target(self, at: float, target: int, ready: int, seen: ObservedMetrics) -> int:
        return self._replicas


def test_requests_wait_for_a_slot_of_the_replica_they_were_sent_to() -> None:
    fleet = SimulatedReplicas(trace([0.1, 0.2, 0.3, 0.4]), MACHINE, replicas=1)
    fleet.advance(10.0)
    assert fleet.waits.tolist() == pytest.approx([0.0, 0.0, 0.8, 0.8])


def test_a_replica_that_is_asked_for_answers_one_cold_start_later() -> None:
    fleet = SimulatedReplicas(trace([1.0]), MACHINE, replicas=0)
    fleet.advance(2.0)
    fleet.scale_to(1)
    fleet.advance(6.9)
    assert fleet.ready == 0
    fleet.advance(20.0)
    assert (fleet.ready, fleet.waits[0]) == (1, pytest.approx(6.0))


def test_a_replica_that_is_given_up_is_paid_for_until_its_last_answer() -> None:
    fleet = SimulatedReplicas(trace([0.5], tokens=100), MACHINE, replicas=2)
    fleet.advance(1.0)
    fleet.scale_to(0)
    fleet.advance(60.0)
    assert fleet.sums[2] == pytest.approx(1.0 + 10.5, abs=0.01)


def test_who_would_wait_too_long_is_refused_and_counts_as_missed() -> None:
    offered = trace([0.1] * 40)
    outcome = simulate(offered, MACHINE, Fixed(1), 1.0, slo_s=2.0, start=1)
    assert outcome.attained == pytest.approx(4 / 40, abs=0.06)


def test_open_requests_of_an_endless_fleet_follow_littles_law() -> None:
    offered = generate_trace("steady", 1, 0.5)
    machine = ReplicaProfile()
    service = machine.services(offered)[1]
    rate = len(offered.arrivals) / offered.length_s
    assert compute_demand(offered, machine)[60:].mean() == pytest.approx(
        rate * service.mean(), rel=0.05
    )


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "step" else pytest.mark.exhaustive) for name in NAMES],
)
def test_the_same_seed_gives_the_same_trace(name: str) -> None:
    one, same, other = (generate_trace(name, seed, 0.2) for seed in (1, 1, 2))
    assert np.array_equal(one.arrivals, same.arrivals)
    assert not np.array_equal(one.arrivals[:50], other.arrivals[:50])
    assert np.all(np.diff(one.arrivals) >= 0)
    assert one.arrivals[-1] <= one.length_s


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "dispersion"), [("chat", (1.4, 3.9, 16.0)), ("code", (13.0, 72.0, 164.0))]
)
def test_arrivals_are_as_bursty_as_published(name: str, dispersion: tuple[float, ...]) -> None:
    """Variance to mean of counts in 1, 10 and 60 s, averaged over hours of other seeds."""
    ratios = []
    for seed in range(8):
        arrivals = generate_trace(name, seed, 1.0).arrivals
        counts = [np.bincount((arrivals // span).astype(int))[:-1] for span in (1, 10, 60)]
        ratios.append([each.var() / each.mean() for each in counts])
    for index, (mean, published) in enumerate(
        zip(np.mean(ratios, axis=0), dispersion, strict=True)
    ):
        assert published / 2 < mean < published * 2, (index, mean)


def test_rays_default_waits_thirty_seconds_up_and_ten_minutes_down() -> None:
    busy = trace(np.arange(0.05, 200, 0.1).tolist(), tokens=10, length_s=1500.0)
    outcome = simulate(busy, MACHINE, RayDefault(2.0, 1, 50), 1.0, 2.0, start=1)
    rises = np.flatnonzero(np.diff(outcome.targets) > 0)
    falls = np.flatnonzero(np.diff(outcome.targets) < 0)

    assert 29 <= rises[0] <= 45
    assert falls[0] >= rises[0] + 600
    assert outcome.targets[-1] == 1


def test_ours_follows_load_and_costs_less_than_a_fleet_for_the_peak() -> None:
    offered = generate_trace("step", 3, 1.0)
    machine = ReplicaProfile()
    spec = ScalingSpec(max_replicas=100)
    ours = simulate(offered, machine, OurPolicies(spec, machine), 1.0, 2.0)
    peak = simulate(offered, machine, Fixed(int(ours.targets.max())), 1.0, 2.0)

    assert ours.attained > 0.9
    assert compute_busy_hours(offered, machine) < ours.replica_hours < 0.8 * peak.replica_hours


@pytest.mark.exhaustive
def test_the_optimum_attains_what_was_asked_of_it_for_less() -> None:
    offered = generate_trace("chat", 3, 0.5)
    machine = ReplicaProfile()
    ours = simulate(offered, machine, OurPolicies(ScalingSpec(max_replicas=100), machine), 1.0, 2.0)
    best = find_optimum(offered, machine, 1.0, 2.0, ours.attained)

    assert best is not None
    assert best.attained >= ours.attained
    assert compute_busy_hours(offered, machine) < best.replica_hours < ours.replica_hours


def test_turns_are_counted_not_steps() -> None:
    assert count_flips(np.array([1, 2, 3, 3, 4])) == 0
    assert count_flips(np.array([1, 2, 2, 1, 1, 2])) == 2


def test_cost_is_read_off_the_frontier() -> None:
    points = [SweepPoint(8, 0.90, 10.0), SweepPoint(6, 0.98, 20.0), SweepPoint(7, 0.85, 15.0)]
    assert interpolate_cost(0.94, points) == pytest.approx(15.0)
    assert interpolate_cost(0.80, points) == 10.0
    assert interpolate_cost(0.99, points) is None


def test_a_picture_of_nothing_is_still_a_picture() -> None:
    assert draw_plots([]).startswith("<svg")
