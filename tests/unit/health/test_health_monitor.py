"""One check at a time, bounded in time; what it finds, and how long that took."""

import asyncio

import pytest

from cluster.health.monitor import DependencyMonitor
from cluster.health.state import DependencyState, degraded, down
from cluster.runtime.problems import Overloaded
from tests.unit.health.scripted import ScriptedCheck


def monitor_of(check: ScriptedCheck, **changes: float) -> DependencyMonitor:
    return DependencyMonitor(check.dependency(**changes), check.clock, 0.0)


async def test_a_check_that_answers_is_up_with_its_latency() -> None:
    check = ScriptedCheck(takes_s=0.2)
    monitor = monitor_of(check)

    change = await monitor.run_check()

    status = monitor.status()
    assert change is not None
    assert (change.before, change.after) == (DependencyState.UNKNOWN, DependencyState.UP)
    assert (status.state, status.detail, status.consequence) == ("up", "", "Nothing works.")
    assert status.latency_s == pytest.approx(0.2)
    assert status.since == status.checked_at == check.clock.wall()


async def test_a_slow_answer_is_degraded() -> None:
    check = ScriptedCheck(takes_s=0.7)
    monitor = monitor_of(check)

    await monitor.run_check()
    await monitor.run_check()

    assert (monitor.status().state, monitor.status().detail) == ("degraded", "answers after 0.70 s")


@pytest.mark.parametrize(
    ("outcome", "state", "detail"),
    [
        (down("no disk"), "down", "no disk"),
        (degraded("half"), "degraded", "half"),
        (Overloaded("It is busy.", retry_after_s=1), "down", "It is busy."),
        (OSError("redis://:password@host"), "down", "OSError"),
    ],
)
async def test_what_a_check_finds_or_raises_is_reported_without_the_text_of_unknown_errors(
    outcome: Exception, state: str, detail: str
) -> None:
    monitor = monitor_of(ScriptedCheck(outcome=outcome))

    await monitor.run_check()
    await monitor.run_check()

    assert (monitor.status().state, monitor.status().detail) == (state, detail)


async def test_a_check_that_ignores_its_timeout_is_not_started_again_until_it_has_ended() -> None:
    check = ScriptedCheck(hangs=True)
    monitor = monitor_of(check, timeout_s=0.01)

    await monitor.run_check()
    await monitor.run_check()

    assert (monitor.status().state, monitor.status().detail) == ("down", "no answer in 0.01 s")
    assert (check.calls, check.most, monitor.figures().timeouts) == (1, 1, 2)

    check.hangs = False
    check.ended.set()
    while check.running:  # noqa: ASYNC110 - a condition of a fake
        await asyncio.sleep(0)
    await monitor.run_check()
    await monitor.run_check()
    assert (monitor.status().state, check.most) == ("up", 1)


async def test_a_timeout_that_fires_late_says_nothing_of_the_dependency() -> None:
    check = ScriptedCheck(hangs=True, takes_s=3.0)
    monitor = monitor_of(check, timeout_s=0.01)

    assert await monitor.run_check() is None

    assert (monitor.status().state, monitor.figures().skipped) == ("unknown", 1)
    check.ended.set()
    await monitor.close()


async def test_figures_count_checks_faults_and_changes() -> None:
    check = ScriptedCheck()
    monitor = monitor_of(check)
    await monitor.run_check()
    check.outcome = down("away")
    await monitor.run_check()
    await monitor.run_check()

    figures = monitor.figures()

    assert (figures.up, figures.checks, figures.faults, figures.changes) == (0.0, 3, 2, 2)
    assert (figures.kind, figures.since) == ("test", monitor.status().since)
