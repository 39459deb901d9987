"""PeriodicTask: one task for all periodic work of a process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar

import pytest

from cluster.runtime.background import PeriodicTask
from cluster.runtime.problems import Overloaded

Starter = Callable[[PeriodicTask], PeriodicTask]
LONG_S = 3600.0
request: ContextVar[str] = ContextVar("request", default="none")


class Action:
    """Counts its runs; raises the first of `failures` that is left."""

    def __init__(self, *failures: Exception) -> None:
        self.runs = 0
        self._failures = list(failures)
        self._ran = asyncio.Event()

    async def __call__(self) -> None:
        self.runs += 1
        self._ran.set()
        if self._failures:
            raise self._failures.pop(0)

    async def ran(self, times: int) -> None:
        async with asyncio.timeout(60):
            while self.runs < times:
                self._ran.clear()
                await self._ran.wait()


@pytest.fixture
async def started() -> AsyncIterator[Starter]:
    """Starts tasks, and closes them after the test."""
    tasks: list[PeriodicTask] = []

    def start(task: PeriodicTask) -> PeriodicTask:
        tasks.append(task)
        task.start()
        return task

    yield start
    for task in tasks:
        await task.close()


async def test_the_first_run_is_at_once_and_the_next_after_the_interval(started: Starter) -> None:
    action = Action()
    started(PeriodicTask(action, 0.001, "work"))

    await action.ran(3)


async def test_a_delayed_task_first_runs_after_an_interval_or_when_it_is_woken(
    started: Starter,
) -> None:
    action = Action()
    task = started(PeriodicTask(action, LONG_S, "work", delayed=True))
    await asyncio.sleep(0)
    assert action.runs == 0

    task.wake()

    await action.ran(1)


async def test_an_interval_may_be_chosen_after_each_run(started: Starter) -> None:
    action = Action()
    intervals = iter([0.0, 0.0])
    started(PeriodicTask(action, lambda: next(intervals, LONG_S), "work"))

    await action.ran(3)


@pytest.mark.parametrize(
    ("error", "level", "text"),
    [
        (Overloaded("the store is away"), logging.WARNING, "the store is away"),
        (OSError(28, "no space"), logging.WARNING, "no space"),
        (KeyError("bug"), logging.ERROR, "work failed"),
    ],
)
async def test_a_failure_is_logged_and_the_next_run_follows(
    error: Exception, level: int, text: str, started: Starter, caplog: pytest.LogCaptureFixture
) -> None:
    action = Action(error)
    started(PeriodicTask(action, 0.001, "work", expected=(Overloaded, OSError)))

    await action.ran(2)

    [record] = caplog.records
    assert record.levelno == level
    assert text in record.getMessage()
    assert bool(record.exc_info) == (level == logging.ERROR)


async def test_it_runs_outside_of_the_context_that_started_it(started: Starter) -> None:
    contexts: list[str] = []
    done = asyncio.Event()

    async def action() -> None:
        contexts.append(request.get())
        done.set()

    token = request.set("one")
    started(PeriodicTask(action, LONG_S, "work"))
    await done.wait()
    request.reset(token)

    assert contexts == ["none"]


@pytest.mark.parametrize("timeout_s", [0.0, None])
async def test_a_close_ends_it_and_waits_for_the_run_in_progress_as_long_as_asked(
    timeout_s: float | None,
) -> None:
    running, finish, ends = asyncio.Event(), asyncio.Event(), []

    async def action() -> None:
        running.set()
        try:
            await finish.wait()
            ends.append("finished")
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    task = PeriodicTask(action, 0.001, "work")
    task.start()
    await running.wait()
    closing = asyncio.create_task(task.close(timeout_s))
    await asyncio.sleep(0.01)
    finish.set()
    await closing

    assert ends == ["cancelled" if timeout_s == 0.0 else "finished"]


async def test_it_can_be_started_again_after_a_close(started: Starter) -> None:
    action = Action()
    task = PeriodicTask(action, LONG_S, "work")
    await task.close()
    started(task)
    await action.ran(1)
    await task.close()

    started(task)

    await action.ran(2)
