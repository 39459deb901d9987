"""A client that leaves, or a time limit that passes, ends the work for its request.

In: `receive` of a request, and how long it may take. Out: the request's task is cancelled once the
client has left before its response was complete, or the time is up. Cancelling reaches every call
that the task awaits: a model call cancels its replica, a stream closes its generator.
"""

import asyncio
from contextvars import Context, copy_context
from dataclasses import dataclass, field
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
            self.schedule_tick(loop)

    def schedule_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_ticking = True
        loop.call_later(WATCHED_AFTER_S, self._tick, loop, context=Context())

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        due, self._due, self.asked = self._due, self.asked, []
        for watch in due:
            watch.start()
        self.is_ticking = False
        if self._due or self.asked:  # `start` may ask again
            self.schedule_tick(loop)


@dataclass(slots=True, eq=False)
class RequestWatch:
    """Watches one request from soon after `begin` until `stop`, which its own task calls.

    One task for each request: the request itself stays in the task that the server has made. The
    client is watched once the body has come, as the application receives it.

    `_receive` gives no more of the body; `_progress` is that of the response; `_cycle` is uvicorn's
    of the request, if it is known (joined_writes.py). `ends_at` is of the loop's clock (None:
    without a limit); `has_body`: the whole body has come; `has_started`: it has lasted so long that
    it is watched. Who sets `has_body` then calls `ask_again`.
    """

    _watches: RequestWatches
    _receive: Receive | None
    _progress: ResponseProgress
    _cycle: Any = None
    has_left: bool = False
    is_late: bool = False
    has_body: bool = False
    has_started: bool = False
    ends_at: float | None = None
    _looks: int = 0
    _timer: asyncio.TimerHandle | None = None
    _watching: asyncio.Task[None] | None = None
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _serving: asyncio.Task[object] = field(init=False)
    _cancelling: int = field(init=False)
    _context: Context = field(init=False)

    def begin(self, limit_s: float | None) -> None:
        """In the request's task, which has `limit_s` seconds for the body (None: no limit)."""
        loop = self._loop = asyncio.get_running_loop()
        serving = asyncio.current_task(loop)
        assert serving is not None
        self._serving, self._cancelling = serving, serving.cancelling()
        self._context = copy_context()
        if limit_s is not None:
            self.ends_at = loop.time() + limit_s
            if limit_s < _SHORT_S:
                self._start_timer(self.ends_at)
        watches = self._watches
        watches.asked.append(self)
        if not watches.is_ticking:
            watches.schedule_tick(loop)

    def ask_again(self) -> None:
        self._watches.add(self, self._loop)

    def lift(self) -> None:
        """There is no limit any more."""
        self.ends_at = None

    def start(self) -> None:
        """Called by the watches of the loop; nothing where the request is over."""
        if self._receive is None:
            return
        self.has_started = True
        if self.ends_at is not None and self._timer is None:
            self._start_timer(self.ends_at)
        if not self.has_body or self._watching is not None:
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
        self._timer, ends_at = None, self.ends_at
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
