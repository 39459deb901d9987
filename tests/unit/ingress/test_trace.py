"""Waiting for models is counted once, however many calls are open."""

from cluster.runtime.clock import ManualClock
from deployments.ingress.context import ModelWaitTimer


def test_overlapping_calls_count_once() -> None:
    clock = ManualClock()
    trace = ModelWaitTimer(clock)

    trace.opened()
    clock.advance(1)
    trace.opened()
    clock.advance(1)
    trace.answered()
    clock.advance(1)
    trace.answered()
    clock.advance(5)

    assert trace.waited_s() == 3


def test_a_call_that_is_still_open_counts_up_to_now() -> None:
    clock = ManualClock()
    trace = ModelWaitTimer(clock)

    trace.opened()
    clock.advance(2)

    assert trace.waited_s() == 2
