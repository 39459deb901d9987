"""A tier that does not answer is left alone, and asked once in a while."""

from contextlib import suppress

import pytest

from cluster.runtime.clock import ManualClock
from deployments.cache.tiers.breaker import ConsecutiveFailureBreaker
from deployments.contracts.cache import TierUnavailable

PAUSE_S = 1.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> ConsecutiveFailureBreaker:
    return ConsecutiveFailureBreaker(clock, failures=3, pause_s=PAUSE_S)


def fail(breaker: ConsecutiveFailureBreaker, times: int = 1) -> None:
    for _ in range(times):
        with suppress(TierUnavailable), breaker.call():
            raise TierUnavailable("away")


def succeed(breaker: ConsecutiveFailureBreaker) -> None:
    with breaker.call():
        pass


def test_a_few_failures_in_a_row_open_it(breaker: ConsecutiveFailureBreaker) -> None:
    fail(breaker, 2)
    succeed(breaker)
    fail(breaker, 2)
    assert breaker.closed

    fail(breaker)
    assert not breaker.closed
    with pytest.raises(TierUnavailable, match="left alone"):
        succeed(breaker)


def test_after_the_pause_one_probe_is_let_through(
    breaker: ConsecutiveFailureBreaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    clock.advance(PAUSE_S)

    with breaker.call():
        assert not breaker.ready
        with pytest.raises(TierUnavailable):
            succeed(breaker)
    assert breaker.closed


def test_a_probe_that_fails_opens_it_again(
    breaker: ConsecutiveFailureBreaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    clock.advance(PAUSE_S)
    fail(breaker)

    clock.advance(PAUSE_S - 0.01)
    assert not breaker.ready
    clock.advance(0.01)
    assert breaker.ready


def test_a_probe_that_is_cancelled_says_nothing(
    breaker: ConsecutiveFailureBreaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    clock.advance(PAUSE_S)

    with suppress(KeyboardInterrupt), breaker.call():
        raise KeyboardInterrupt

    assert breaker.ready
    assert not breaker.closed


def test_a_call_that_waits_for_long_is_no_probe(
    breaker: ConsecutiveFailureBreaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    clock.advance(PAUSE_S)

    with pytest.raises(TierUnavailable), breaker.call(may_probe=False):
        pass
    assert breaker.ready
