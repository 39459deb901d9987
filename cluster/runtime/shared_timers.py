"""Timers for what is mostly over long before them: one timer of the event loop serves many.

In: times and callbacks, from one event loop. Out: each callback is called at its time, unless its
timer was cancelled. A timer of the event loop for each request, and a timeout around it, cost more
than most of its stages. Here a timer is only entered into a set; a look every LOOK_S seconds, while
there are any, gives those that are due before the next look a timer of the event loop. So none is
late.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from types import TracebackType
from typing import Self

LOOK_S = 0.5


class SharedTimers:
    """Of one event loop. `far` are the timers that have none of the event loop."""

    __slots__ = ("far", "is_looking")

    def __init__(self) -> None:
        self.far: set[SharedTimer] = set()
        self.is_looking = False

    def schedule_look(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the context of no request: a look is for all of them."""
        self.is_looking = True
        loop.call_later(LOOK_S, self._look, loop, context=Context())

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        before = loop.time() + LOOK_S
        near = [timer for timer in self.far if timer.when <= before]
        for timer in near:
            timer.arm(loop)
        self.far.difference_update(near)
        if self.far:
            self.schedule_look(loop)
        else:
            self.is_looking = False


class SharedTimer:
    """Calls `callback` at `when` (loop time, in seconds), in an empty context."""

    __slots__ = ("_callback", "_exact", "_timers", "when")

    def __init__(self, timers: SharedTimers, when: float, callback: Callable[[], object]) -> None:
        self._timers = timers
        self._callback: Callable[[], object] | None = callback
        self._exact: asyncio.TimerHandle | None = None
        self.schedule(when)

    def schedule(self, when: float) -> None:
        """At another time than before."""
        timers, loop = self._timers, asyncio.get_running_loop()
        if self._exact is not None:
            self._exact.cancel()
            self._exact = None
        self.when = when
        if when - loop.time() > LOOK_S:
            timers.far.add(self)
            if not timers.is_looking:
                timers.schedule_look(loop)
        else:
            timers.far.discard(self)
            self.arm(loop)

    def cancel(self) -> None:
        """May be repeated, and called after the time has come."""
        self._callback = None
        self._timers.far.discard(self)
        if self._exact is not None:
            self._exact.cancel()
            self._exact = None

    def arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """A timer of the event loop."""
        self._exact = loop.call_at(self.when, self._run, context=Context())

    def _run(self) -> None:
        self._exact = None
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class SharedTimeout(SharedTimer):
    """`asyncio.timeout_at`, to be entered by `with`; `when` None: never.

    One that `lasts` is entered again and again, for waits whose time is bounded as a whole, and is
    cancelled at the end: the time between two waits is not bounded.
    """

    __slots__ = ("_cancelling", "_expired", "_is_set", "_lasts", "_task")

    def __init__(self, timers: SharedTimers, when: float | None, *, lasts: bool = False) -> None:
        self._timers = timers
        self._callback = None
        self._exact = None
        self.when = float("inf") if when is None else when
        self._is_set = when is None
        self._lasts = lasts
        self._task: asyncio.Task[object] | None = None
        self._expired = False
        self._cancelling = 0

    def __enter__(self) -> Self:
        task = self._task = asyncio.current_task()
        assert task is not None, "to be entered in a task"
        self._cancelling = task.cancelling()
        if not self._is_set:
            self._is_set = True
            self.schedule(self.when)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raises TimeoutError where the time has come, and cancelled what was awaited."""
        task, self._task = self._task, None
        if not self._lasts:
            self._timers.far.discard(self)
            if self._exact is not None:
                self._exact.cancel()
                self._exact = None
        if self._expired and task is not None:
            self._expired = False
            if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def close(self) -> None:
        """The end of one that lasts."""
        self.cancel()

    def _run(self) -> None:
        self._exact = None
        self._is_set = False  # further waits expire as soon as they begin
        if self._task is not None:
            self._expired = True
            self._task.cancel()
