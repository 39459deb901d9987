"""Hedging: a second attempt at another replica after most responses would have come.

In: how long responses took. Out: how long to wait before the second attempt, and the first success
of both. After J. Dean and L. Barroso, "The Tail at Scale" (CACM 56(2), 2013).
"""

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cluster.resilience.spec import HedgeSpec
from cluster.resilience.window import SlidingCounts

_CALLS, _HEDGES = range(2)
_WINDOW_S = 60.0
_ENOUGH = 20  # responses before an estimate is worth acting on
_STEP = 0.05

T = TypeVar("T")


class TrackedQuantile:
    """A running quantile in constant space: each value moves the estimate up or down by a step, in
    such proportion that it rests where `quantile` of the values lie below. Stochastic approximation
    (H. Robbins and S. Monro, 1951) on the logarithm, as latencies have long tails.
    """

    def __init__(self, quantile: float) -> None:
        self._quantile = quantile
        self._log = 0.0
        self.seen = 0

    @property
    def value(self) -> float:
        """In the unit of the observed values; meaningless before the first."""
        return math.exp(self._log)

    def observe(self, value: float) -> None:
        logarithm = math.log(max(value, 1e-6))
        self.seen += 1
        if self.seen == 1:
            self._log = logarithm
            return
        step = max(_STEP, 1.0 / self.seen)
        above = logarithm > self._log
        self._log += step * (self._quantile if above else self._quantile - 1.0)


class HedgePolicy:
    """Decides when a call gets a second attempt, and counts those."""

    def __init__(self, spec: HedgeSpec) -> None:
        self._spec = spec
        self._latency = TrackedQuantile(spec.quantile)
        self._counts = SlidingCounts(2, _WINDOW_S)

    def delay_s(self) -> float | None:
        """How long to wait for the first attempt; None while there are too few values."""
        if self._latency.seen < _ENOUGH:
            return None
        return max(self._spec.least_s, self._latency.value)

    def called(self, now: float) -> None:
        self._counts.add(now, _CALLS)

    def observe(self, seconds: float) -> None:
        """The attempt that answered a call took so many seconds. For a hedged call, that is the
        winner's own time: with the wait before it, one slow replica would delay all calls.
        """
        self._latency.observe(seconds)

    def take(self, now: float) -> bool:
        """Whether the share allows one more attempt, which then counts."""
        self._counts.advance(now)
        calls, hedges = self._counts.totals
        if hedges + 1 > self._spec.share * calls:
            return False
        self._counts.add(now, _HEDGES)
        return True


async def first_success(
    first: Coroutine[Any, Any, T],
    delay_s: float,
    another: Callable[[], Coroutine[Any, Any, T] | None],
) -> T:
    """The result of the first attempt that succeeds; the other is cancelled.

    `another` makes the second attempt after `delay_s`, or returns None. If both fail, raises the
    error of the first.
    """
    attempts = [asyncio.ensure_future(first)]
    try:
        done, _ = await asyncio.wait(attempts, timeout=delay_s)
        second = None if done else another()
        if second is not None:
            attempts.append(asyncio.ensure_future(second))
        pending = {attempt for attempt in attempts if not attempt.done()}
        while not any(map(_succeeded, attempts)) and pending:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        return next(filter(_succeeded, attempts), attempts[0]).result()
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_retrieve_error)
            attempt.cancel()


def _succeeded(attempt: "asyncio.Future[Any]") -> bool:
    return attempt.done() and not attempt.cancelled() and attempt.exception() is None


def _retrieve_error(attempt: "asyncio.Future[Any]") -> None:
    """asyncio logs errors that were never retrieved."""
    if not attempt.cancelled():
        attempt.exception()
