"""A breaker that trips on failures in a row, as the cache tiers use it."""

from contextlib import suppress

import pytest

from cluster.resilience.breaker import CircuitBreaker
from cluster.runtime.clock import ManualClock
from deployments.contracts.cache import TierUnavailable

PAUSE_S = 1.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker.for_consecutive_failures(clock, failures=3, pause_s=PAUSE_S)


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        with suppress(TierUnavailable), breaker.guard(TierUnavailable):
            raise TierUnavailable("away")


def succeed(breaker: CircuitBreaker) -> None:
    with breaker.guard(TierUnavailable):
        pass


def test_a_few_failures_in_a_row_open_it(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    succeed(breaker)
    fail(breaker, 2)
    assert breaker.closed

    fail(breaker)
    assert not breaker.closed
    with pytest.raises(TierUnavailable, match="breaker is open"):
        succeed(breaker)


def test_after_the_pause_one_probe_is_let_through(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    clock.advance(PAUSE_S)

    with breaker.guard(TierUnavailable):
        assert not breaker.ready
        with pytest.raises(TierUnavailable):
            succeed(breaker)
    assert breaker.closed


def test_a_probe_that_fails_opens_it_again(breaker: CircuitBreaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    clock.advance(PAUSE_S)
    fail(breaker)

    clock.advance(PAUSE_S - 0.01)
    assert not breaker.ready
    clock.advance(0.01)
    assert breaker.ready


def test_a_probe_that_is_cancelled_says_nothing(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    clock.advance(PAUSE_S)

    with suppress(KeyboardInterrupt), breaker.guard(TierUnavailable):
        raise KeyboardInterrupt

    assert breaker.ready
    assert not breaker.closed


def test_a_call_that_waits_for_long_is_no_probe(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    clock.advance(PAUSE_S)

    with pytest.raises(TierUnavailable), breaker.guard(TierUnavailable, may_probe=False):
        pass
    assert breaker.ready
