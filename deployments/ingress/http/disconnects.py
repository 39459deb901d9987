"""A client that leaves, or a time limit that passes, ends the work for its request.

In: `receive` of a request, and how long it may take. Out: the request's task is cancelled once the
client has left before its response was complete, or the time is up. Cancelling reaches every call
that the task awaits: a model call cancels its replica, a stream closes its generator.
"""

import asyncio
from contextvars import Context, copy_context
from typing import Any

from starlette.types import Receive

from deployments.ingress.context import ResponseProgress

WATCHED_AFTER_S = 0.005
_SHORT_S = 4 * WATCHED_AFTER_S  # limits below it have a timer at once
_LOOKS = 10  # at a server that says whether the client has left, before there is a task


class RequestWatches:
    """Begins the watches of one event loop, 5 to 10 ms after their requests have asked for it.

    Most requests are over by then; a watch costs a task, and a limit a timer. Where the server says
    whether a client has left, the task is put off for 100 ms, and the server asked every 10 ms.
    """

    def __init__(self) -> None:
        self.asked: list[RequestWatch] = []  # since the last tick
        self.is_ticking = False
        self._due: list[RequestWatch] = []

    def add(self, watch: "RequestWatch", loop: asyncio.AbstractEventLoop) -> None:
        self.asked.append(watch)
        if not self.is_ticking:
            self._schedule_tick(loop)

    def _schedule_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_ticking = True
        loop.call_later(WATCHED_AFTER_S, self._tick, loop, context=Context())

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        due, self._due, self.asked = self._due, self.asked, []
        for watch in due:
            watch.start()
        self.is_ticking = False
        if self._due or self.asked:  # `start` may ask again
            self._schedule_tick(loop)


class RequestWatch:
    """Watches one request from soon after `begin` until `stop`, which its own task calls.

    One task for each request: the request itself stays in the task that the server has made. The
    client is watched once the body has come, as the application receives it.
    """

    __slots__ = (
        "_cancelling",
        "_context",
        "_cycle",
        "_ends_at",
        "_has_body",
        "_has_started",
        "_looks",
        "_loop",
        "_progress",
        "_receive",
        "_serving",
        "_timer",
        "_watches",
        "_watching",
        "has_left",
        "is_late",
    )

    def __init__(
        self,
        watches: RequestWatches,
        receive: Receive,
        progress: ResponseProgress,
        cycle: Any = None,
    ) -> None:
        """`receive` gives no more of the body; `progress` is that of the response; `cycle` is
        uvicorn's of the request, if it is known (joined_writes.py)."""
        self.has_left = self.is_late = False
        self._watches = watches
        self._receive: Receive | None = receive
        self._progress = progress
        self._cycle = cycle
        self._looks = 0
        self._has_body = self._has_started = False
        self._ends_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None

    def begin(self, limit_s: float | None) -> None:
        """In the request's task, which has `limit_s` seconds for the body (None: no limit)."""
        loop = self._loop = asyncio.get_running_loop()
        serving = asyncio.current_task(loop)
        assert serving is not None
        self._serving, self._cancelling = serving, serving.cancelling()
        self._context = copy_context()
        if limit_s is not None:
            self._ends_at = loop.time() + limit_s
            if limit_s < _SHORT_S:
                self._start_timer(self._ends_at)
        self._watches.add(self, loop)

    def body_has_come(self, limit_s: float | None, *, whole: bool = True) -> None:
        """The response may take `limit_s` more seconds. Without a `whole` body the client has left,
        which the application sees."""
        if limit_s is not None:
            self._ends_at = self._loop.time() + limit_s
        self._has_body = whole
        if self._has_started:
            self._watches.add(self, self._loop)

    def lift(self) -> None:
        """There is no limit any more."""
        self._ends_at = None

    def start(self) -> None:
        """Called by the watches of the loop; nothing where the request is over."""
        if self._receive is None:
            return
        self._has_started = True
        if self._ends_at is not None and self._timer is None:
            self._start_timer(self._ends_at)
        if not self._has_body or self._watching is not None:
            return
        if self._cycle is not None and self._looks < _LOOKS:
            self._looks += 1
            if self._cycle.disconnected:
                self._note_left()
            else:
                self._watches.add(self, self._loop)
            return
        coroutine = self._wait(self._receive)
        self._watching = self._loop.create_task(coroutine, context=self._context)

    def stop(self) -> None:
        self._receive = self._cycle = None
        if self._timer is not None:
            self._timer.cancel()
        if self.is_late:  # and the application has made something else of its cancellation
            self._serving.uncancel()
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None  # its CancelledError holds a frame that holds this

    def took_deadline(self) -> bool:
        """Whether the request was cancelled as its time was up: the task goes on then."""
        was_late, self.is_late = self.is_late, False
        return was_late and self._serving.uncancel() <= self._cancelling

    def took_cancellation(self) -> bool:
        """Whether the request was cancelled as its client has left: the task goes on then."""
        return self.has_left and self._serving.uncancel() == 0

    def _start_timer(self, at: float) -> None:
        self._timer = self._loop.call_at(at, self._end, context=Context())

    def _end(self) -> None:
        self._timer, ends_at = None, self._ends_at
        if self._receive is None or ends_at is None:
            return
        if self._loop.time() < ends_at:  # it was put off meanwhile
            self._start_timer(ends_at)
            return
        self.is_late = True
        self._serving.cancel()

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._note_left()

    def _note_left(self) -> None:
        if not self._progress.is_complete:
            self.has_left = True
            self._serving.cancel()
