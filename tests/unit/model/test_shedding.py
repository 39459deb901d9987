"""The shedder: level up on long waits, down again, the least important first."""

import pytest

from cluster.runtime.clock import ManualClock
from cluster.tenants.caller import Priority
from deployments.model.queueing.shedding import Shedder

INTERACTIVE, STANDARD, BATCH = Priority.INTERACTIVE, Priority.STANDARD, Priority.BATCH


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def shedder(clock: ManualClock) -> Shedder:
    return Shedder(2.0, clock)


def _wait(
    shedder: Shedder,
    clock: ManualClock,
    seconds: float,
    windows: int,
    priority: Priority = INTERACTIVE,
    over_share: bool = False,
) -> None:
    for _ in range(windows):
        clock.advance(0.5)
        shedder.observe_wait(priority, over_share, seconds)


def _shed(shedder: Shedder, priority: Priority, over_share: bool = False, of: int = 100) -> int:
    return sum(shedder.sheds(priority, over_share, 10.0, queued=True) for _ in range(of))


def test_short_waits_shed_nothing(shedder: Shedder, clock: ManualClock) -> None:
    _wait(shedder, clock, 1.9, 50)

    assert _shed(shedder, BATCH) == 0


def test_long_waits_shed_the_least_important_first(shedder: Shedder, clock: ManualClock) -> None:
    _wait(shedder, clock, 5.0, 2)
    assert (_shed(shedder, BATCH, True), _shed(shedder, BATCH)) == (100, 0)
    _wait(shedder, clock, 5.0, 2)
    assert (_shed(shedder, BATCH), _shed(shedder, STANDARD)) == (100, 0)
    _wait(shedder, clock, 5.0, 5)
    assert (_shed(shedder, STANDARD), _shed(shedder, INTERACTIVE, True)) == (100, 50)
    _wait(shedder, clock, 5.0, 3)
    assert _shed(shedder, INTERACTIVE) == 100


def test_what_waits_too_long_sheds_nothing_more_important(
    shedder: Shedder, clock: ManualClock
) -> None:
    _wait(shedder, clock, 5.0, 100, STANDARD, over_share=True)

    assert _shed(shedder, STANDARD, True) == 100
    assert (_shed(shedder, STANDARD), _shed(shedder, INTERACTIVE, True)) == (0, 0)


def test_batch_requests_may_wait_longer(shedder: Shedder, clock: ManualClock) -> None:
    _wait(shedder, clock, 20.0, 100, BATCH)
    assert _shed(shedder, BATCH) == 0

    _wait(shedder, clock, 31.0, 100, BATCH)
    assert (_shed(shedder, BATCH), _shed(shedder, STANDARD, True)) == (100, 0)


def test_a_request_that_would_start_soon_is_never_shed(
    shedder: Shedder, clock: ManualClock
) -> None:
    _wait(shedder, clock, 60.0, 100)

    assert not any(shedder.sheds(BATCH, True, 1.9, queued=True) for _ in range(100))


def test_it_recovers_when_waits_are_short_again(shedder: Shedder, clock: ManualClock) -> None:
    _wait(shedder, clock, 5.0, 20)
    top = shedder.level

    _wait(shedder, clock, 0.5, 20)
    assert 0 < shedder.level < top
    _wait(shedder, clock, 0.5, 120)

    assert (top, shedder.level) == (6.0, 0.0)


def test_quiet_time_recovers_too(shedder: Shedder, clock: ManualClock) -> None:
    _wait(shedder, clock, 5.0, 20)
    clock.advance(61.0)

    assert (shedder.wait_s(queued=False), shedder.level) == (0.0, 0.0)


def test_windows_in_which_nobody_got_a_place_say_nothing(
    shedder: Shedder, clock: ManualClock
) -> None:
    _wait(shedder, clock, 5.0, 6)
    clock.advance(0.5)
    shedder.wait_s(queued=True)
    level = shedder.level

    clock.advance(30.0)

    assert _shed(shedder, BATCH) == 100
    assert shedder.level == level > 0


def test_the_mean_wait_is_reported(shedder: Shedder, clock: ManualClock) -> None:
    shedder.observe_wait(BATCH, False, 1.0)
    shedder.observe_wait(INTERACTIVE, False, 2.0)
    clock.advance(0.5)

    assert shedder.wait_s(queued=True) == 1.5
