"""Slowing down guesses: counts, time, and memory."""

import pytest

from cluster.auth.throttle import LoginThrottle
from cluster.clock import ManualClock
from cluster.problems import RateLimited


def test_the_eleventh_attempt_waits_for_the_first_to_age() -> None:
    clock = ManualClock()
    throttle = LoginThrottle(clock)
    for _ in range(10):
        throttle.attempt("ana", "here")
        clock.advance(10)

    with pytest.raises(RateLimited) as refused:
        throttle.attempt("ana", "here")
    assert refused.value.extensions["retry_after_s"] == pytest.approx(200)
    throttle.attempt("ana", "there")
    throttle.attempt("bob", "here")

    clock.advance(200)
    throttle.attempt("ana", "here")
    with pytest.raises(RateLimited):
        throttle.attempt("ana", "here")


def test_success_forgets_failures_and_our_own_faults_do_not_count() -> None:
    throttle = LoginThrottle(ManualClock())
    for _ in range(9):
        throttle.attempt("ana", "here")
    throttle.succeeded("ana", "here")
    for _ in range(50):
        throttle.attempt("ana", "here")
        throttle.withdraw("ana", "here")
    for _ in range(10):
        throttle.attempt("ana", "here")
    with pytest.raises(RateLimited):
        throttle.attempt("ana", "here")


def test_memory_is_bounded_and_the_longest_quiet_goes_first() -> None:
    throttle = LoginThrottle(ManualClock(), max_entries=100)
    for _ in range(10):
        throttle.attempt("busy", "here")
    for number in range(10_000):
        throttle.attempt(f"user{number}", "here")
        with pytest.raises(RateLimited):
            throttle.attempt("busy", "here")

    assert len(throttle) == 100
