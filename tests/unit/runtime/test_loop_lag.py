"""The lag of an event loop: what is measured, how long it is remembered, how often it wakes up."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from cluster.runtime.loop_lag import RESTING, LoopLag

INTERVAL_S, REMEMBER = 0.02, 500


class Loop:
    """Its time passes when it is told; timers fire as late as the loop is blocked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.woken: list[float] = []
        self._timer: tuple[float, Callable[..., None], tuple[Any, ...]] | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, callback: Callable[..., None], *arguments: Any) -> "Loop":
        self._timer = at, callback, arguments
        return self

    def cancel(self) -> None:
        self._timer = None

    def run(self, until: float) -> None:
        while self._timer is not None and self._timer[0] <= until:
            at, callback, arguments = self._timer
            self.now = max(self.now, at)
            self.woken.append(self.now)
            callback(*arguments)
        self.now = until

    def block(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


@pytest.fixture
def lag(loop: Loop) -> LoopLag:
    made = LoopLag(INTERVAL_S, REMEMBER)
    made.start()
    return made


def test_a_loop_that_rests_is_woken_less_often(loop: Loop, lag: LoopLag) -> None:
    loop.run(until=10.0)

    assert len(loop.woken) == pytest.approx(10.0 / (RESTING * INTERVAL_S), abs=1)
    assert lag.worst() == 0


def test_a_loop_that_was_late_is_watched_closely_for_a_while(loop: Loop, lag: LoopLag) -> None:
    loop.run(until=1.0)
    loop.block(0.5)
    loop.run(until=2.0)
    since = len(loop.woken)
    loop.run(until=3.0)
    closely = len(loop.woken) - since
    loop.run(until=30.0)
    since = len(loop.woken)
    loop.run(until=31.0)

    assert closely == pytest.approx(1.0 / INTERVAL_S, abs=1)
    assert len(loop.woken) - since == pytest.approx(1.0 / INTERVAL_S / RESTING, abs=1)


def test_the_worst_delay_is_remembered_for_ten_seconds(loop: Loop, lag: LoopLag) -> None:
    loop.run(until=1.0)
    loop.block(0.5)
    loop.run(until=10.0)
    assert lag.worst() == pytest.approx(0.5, abs=RESTING * INTERVAL_S)

    loop.run(until=13.0)
    assert lag.worst() == 0


def test_a_loop_that_is_blocked_now_is_late(loop: Loop, lag: LoopLag) -> None:
    loop.run(until=1.0)
    loop.block(3.0)

    assert lag.worst() >= 2.9


def test_it_stops(loop: Loop, lag: LoopLag) -> None:
    lag.stop()
    loop.run(until=1.0)

    assert loop.woken == []
