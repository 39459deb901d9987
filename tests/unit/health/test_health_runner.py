"""Every dependency at its own interval, on a clock that a test moves."""

import asyncio
from random import Random

import pytest

from cluster.health.dependency import Dependency, stretch_interval
from cluster.health.monitor import StateChange
from cluster.health.runner import JITTER, REPEAT_S, HealthRunner
from cluster.health.state import DependencyState, down
from cluster.runtime.clock import ManualClock
from tests.unit.health.scripted import ScriptedCheck


class Watched:
    """A runner over `dependencies`, and the changes that it told."""

    def __init__(self, clock: ManualClock, *dependencies: Dependency) -> None:
        self.clock = clock
        self.dependencies = list(dependencies)
        self.changes: list[StateChange] = []
        self.runner = HealthRunner(
            lambda: self.dependencies, clock, Random(1), "replica-1", "node", self.changes.append
        )

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.runner.check_due()
        await self.runner.wait_for_checks()


async def test_each_is_checked_at_its_own_interval() -> None:
    clock = ManualClock()
    often, seldom = ScriptedCheck(clock), ScriptedCheck(clock)
    watched = Watched(
        clock, often.dependency("often"), seldom.dependency("seldom", interval_s=60.0)
    )

    await watched.advance(0.0)
    for _ in range(20):
        await watched.advance(5.0 * (1 + JITTER))

    assert often.calls >= 20
    assert 2 <= seldom.calls <= 3


async def test_nothing_is_checked_before_its_delay_or_when_a_report_is_asked_for() -> None:
    clock = ManualClock()
    check = ScriptedCheck(clock)
    watched = Watched(clock, check.dependency(delay_s=30.0))
    await watched.advance(29.0)

    report = watched.runner.report()

    assert check.calls == 0
    assert [status.state for status in report.dependencies] == ["unknown"]
    await watched.advance(0.0)
    await watched.advance(31.0)
    assert check.calls == 1


async def test_a_change_is_reported_once_with_the_time_of_the_first_failure() -> None:
    clock = ManualClock()
    check = ScriptedCheck(clock)
    watched = Watched(clock, check.dependency())
    await watched.advance(0.0)
    check.outcome = down("away")

    await watched.advance(6.0)
    failed_at = clock.wall()
    for _ in range(5):
        await watched.advance(6.0)

    [up, away] = watched.changes
    assert (up.after, away.after) == (DependencyState.UP, DependencyState.DOWN)
    assert (away.since, away.detail) == (failed_at, "away")


async def test_a_fault_of_what_is_seldom_checked_is_confirmed_soon() -> None:
    clock = ManualClock()
    check = ScriptedCheck(clock)
    watched = Watched(clock, check.dependency(interval_s=300.0))
    await watched.advance(0.0)
    check.outcome = down("away")
    await watched.advance(300.0 * (1 + JITTER))

    await watched.advance(REPEAT_S)

    assert [change.after for change in watched.changes][1:] == [DependencyState.DOWN]


async def test_a_dependency_that_is_no_more_is_forgotten_and_a_new_one_is_found() -> None:
    clock = ManualClock()
    first, second = ScriptedCheck(clock), ScriptedCheck(clock)
    watched = Watched(clock, first.dependency("model:a"))
    await watched.advance(0.0)

    watched.dependencies = [second.dependency("model:b")]
    await watched.advance(0.0)
    await watched.advance(2.0)

    assert list(watched.runner.figures()) == ["model:b"]
    assert second.calls == 1


async def test_one_that_hangs_delays_no_other() -> None:
    clock = ManualClock()
    hanging, other = ScriptedCheck(clock, hangs=True), ScriptedCheck(clock)
    watched = Watched(
        clock, hanging.dependency("hanging", timeout_s=30.0), other.dependency("other")
    )
    async with asyncio.timeout(5):
        while other.calls < 3:
            clock.advance(6.0)
            await watched.runner.check_due()
            await asyncio.sleep(0)

    assert hanging.calls == 1
    hanging.ended.set()
    await watched.runner.wait_for_checks()
    await watched.runner.close()


async def test_it_runs_in_the_background_until_it_is_closed() -> None:
    clock = ManualClock()
    check = ScriptedCheck(clock, hangs=True)
    watched = Watched(clock, check.dependency(timeout_s=60.0))

    watched.runner.start()
    await watched.runner.check_due()
    check.ended.set()
    await watched.runner.wait_for_checks()
    await watched.runner.close()

    assert check.running == 0


@pytest.mark.parametrize(("replicas", "interval_s"), [(1, 5.0), (8, 5.0), (16, 10.0)])
def test_many_replicas_take_turns(replicas: int, interval_s: float) -> None:
    assert stretch_interval(5.0, replicas) == interval_s
