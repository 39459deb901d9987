"""The simulation that compares routing policies."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cluster.balancing.spec import RoutingSpec
from load_tests.benchmarks.scaling.routing_policies import PowerOfTwo, ProductPolicy
from load_tests.benchmarks.scaling.routing_simulation import CODE, SLOTS, Scenario, Simulation

ALIKE = Scenario("alike", (1.0, 1.0, 1.0), lengths=CODE, counted_from=0.0, counted_to=30.0)


def ours(scenario: Scenario, seed: int = 1) -> Simulation:
    run = Simulation(
        scenario, lambda names, clock, _: ProductPolicy(names, RoutingSpec(), clock), seed
    )
    run.run()
    return run


def serves(scenario: Scenario, seed: int = 1) -> Simulation:
    run = Simulation(scenario, lambda names, _, random: PowerOfTwo(names, random), seed)
    run.run()
    return run


def test_equal_seeds_give_equal_times() -> None:
    assert ours(ALIKE).times == ours(ALIKE).times
    assert ours(ALIKE).times != ours(ALIKE, seed=2).times


@pytest.mark.parametrize("run", [ours, serves])
def test_every_request_is_answered_once(run: Callable[[Scenario], Simulation]) -> None:
    stopping = replace(ALIKE, stops_at=5.0, stops_for=10.0)
    came = [sorted(at for at, _ in run(each).times) for each in (ALIKE, stopping)]
    assert len(came[0]) > 100
    assert came[0] == came[1]


def test_only_what_had_begun_waits_for_a_stopped_replica() -> None:
    """Serve's callers wait with whatever they send there, ours look elsewhere."""
    stopping = replace(ALIKE, stops_at=5.0, stops_for=20.0)
    waited = [sum(took > 12.0 for took in run(stopping).counted) for run in (ours, serves)]
    assert waited[0] <= SLOTS < waited[1]
