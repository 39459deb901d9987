"""Timers that share one of the event loop: none is early, none is late, none outlives its end."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.shared_timers import LOOK_S, SharedTimeout, SharedTimer, SharedTimers
from load_tests.benchmarks.common.virtual_time import run_in_virtual_time

SECONDS = st.floats(0, 5)
NEAR, FAR = LOOK_S / 5, LOOK_S * 5


def now() -> float:
    return asyncio.get_running_loop().time()


@given(st.lists(SECONDS, max_size=8), st.integers(0, 8))
def test_each_is_called_at_its_time_unless_it_was_cancelled(
    delays: list[float], cancelled: int
) -> None:
    async def run() -> None:
        timers, calls = SharedTimers(), []

        def note(number: int) -> Callable[[], None]:
            return lambda: calls.append((number, now()))

        began = now()
        made = [SharedTimer(timers, began + s, note(n)) for n, s in enumerate(delays)]
        for timer in made[:cancelled]:
            timer.cancel()
        await asyncio.sleep(10)

        late = {number: at - began - delays[number] for number, at in calls}
        assert sorted(late) == list(range(len(delays)))[cancelled:]
        assert all(abs(seconds) < 1e-6 for seconds in late.values())
        assert not timers.far

    run_in_virtual_time(run())


@pytest.mark.parametrize("seconds", [NEAR, FAR])
def test_a_timer_may_be_moved(seconds: float) -> None:
    async def run() -> None:
        calls: list[float] = []
        timer = SharedTimer(SharedTimers(), now() + seconds, lambda: calls.append(now()))
        moved = now() + 2 * FAR
        timer.schedule(moved)
        await asyncio.sleep(4 * FAR)

        assert calls == [pytest.approx(moved)]

    run_in_virtual_time(run())


@pytest.mark.parametrize("seconds", [-1.0, 0.0, NEAR, FAR])
def test_a_timeout_ends_what_is_awaited_at_its_time(seconds: float) -> None:
    async def run() -> None:
        ends = now() + seconds
        with pytest.raises(TimeoutError), SharedTimeout(SharedTimers(), ends):
            await asyncio.sleep(100)

        assert now() == pytest.approx(max(ends, ends - seconds))
        await asyncio.sleep(0)  # the task itself is not cancelled

    run_in_virtual_time(run())


@pytest.mark.parametrize("seconds", [NEAR, FAR, None])
def test_what_ends_in_time_is_not_disturbed(seconds: float | None) -> None:
    async def run() -> None:
        timers = SharedTimers()
        with SharedTimeout(timers, None if seconds is None else now() + seconds):
            await asyncio.sleep(NEAR / 2)
        await asyncio.sleep(4 * FAR)

        assert not timers.far

    run_in_virtual_time(run())


def test_a_cancellation_from_outside_stays_one() -> None:
    async def run() -> None:
        async def wait() -> None:
            with SharedTimeout(SharedTimers(), now() + NEAR):
                await asyncio.sleep(100)

        task = asyncio.create_task(wait())
        await asyncio.sleep(NEAR)  # both at once
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_in_virtual_time(run())


def test_a_timeout_may_be_lifted_and_moved() -> None:
    async def run() -> None:
        with SharedTimeout(SharedTimers(), now() + NEAR) as timeout:
            timeout.schedule(now() + FAR)
            await asyncio.sleep(2 * NEAR)
            timeout.cancel()
            await asyncio.sleep(2 * FAR)

    run_in_virtual_time(run())


@pytest.mark.parametrize("seconds", [NEAR, FAR])
def test_one_that_lasts_bounds_waits_and_not_the_time_between_them(seconds: float) -> None:
    async def run() -> None:
        timers = SharedTimers()
        timeout = SharedTimeout(timers, now() + seconds, lasts=True)
        with timeout:
            await asyncio.sleep(seconds / 2)
        await asyncio.sleep(seconds)  # its time comes here
        with timeout:
            pass  # what is ready is given
        with pytest.raises(TimeoutError), timeout:
            await asyncio.sleep(100)
        with pytest.raises(TimeoutError), timeout:
            await asyncio.sleep(100)
        timeout.close()

        assert not timers.far

    run_in_virtual_time(run())


def test_one_that_is_closed_early_is_forgotten() -> None:
    async def run() -> None:
        timers = SharedTimers()
        timeout = SharedTimeout(timers, now() + FAR, lasts=True)
        with timeout:
            await asyncio.sleep(0)
        timeout.close()

        assert not timers.far
        await asyncio.sleep(2 * FAR)

    run_in_virtual_time(run())
