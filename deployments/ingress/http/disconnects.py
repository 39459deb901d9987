"""A client that leaves ends the work for its request.

In: `receive` of a request whose body has arrived. Out: the request's task is cancelled once the
client has left before its response was complete. Cancelling reaches every call that the task
awaits: a model call cancels its replica, a stream closes its generator.
"""

import asyncio
from contextvars import Context, copy_context

from starlette.types import Receive

from deployments.ingress.context import ResponseProgress

WATCHED_AFTER_S = 0.005


class DisconnectWatches:
    """Begins the watches of one event loop, 5 to 10 ms after their requests have asked for it.

    Most requests are over by then, and a watch costs a task.
    """

    def __init__(self) -> None:
        self.asked: list[DisconnectWatch] = []  # since the last tick
        self.is_ticking = False
        self._due: list[DisconnectWatch] = []

    def schedule_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_ticking = True
        loop.call_later(WATCHED_AFTER_S, self._tick, loop, context=Context())

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        due, self._due, self.asked = self._due, self.asked, []
        for watch in due:
            watch.start(loop)
        self.is_ticking = False
        if self._due:
            self.schedule_tick(loop)


class DisconnectWatch:
    """Watches one request from soon after `start_soon` until `stop`, which its own task calls.

    One task for each request: the request itself stays in the task that the server has made.
    """

    __slots__ = (
        "_context",
        "_progress",
        "_receive",
        "_serving",
        "_watches",
        "_watching",
        "has_left",
    )

    def __init__(
        self, watches: DisconnectWatches, receive: Receive, progress: ResponseProgress
    ) -> None:
        """`receive` gives no more of the body; `progress` is that of the response."""
        self.has_left = False
        self._watches = watches
        self._receive: Receive | None = receive
        self._progress = progress
        self._context: Context | None = None
        self._serving: asyncio.Task[object] | None = None
        self._watching: asyncio.Task[None] | None = None

    def start_soon(self) -> None:
        """Has no effect the second time."""
        if self._context is None:
            loop = asyncio.get_running_loop()
            self._context = copy_context()
            self._serving = asyncio.current_task(loop)
            self._watches.asked.append(self)
            if not self._watches.is_ticking:
                self._watches.schedule_tick(loop)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by the watches of the loop; nothing where the request is over."""
        if self._receive is not None:
            self._watching = loop.create_task(self._wait(self._receive), context=self._context)

    def stop(self) -> None:
        self._receive = None
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None  # its CancelledError holds a frame that holds this

    def took_cancellation(self) -> bool:
        """Whether the request was cancelled by this watch alone: the task goes on then."""
        return self.has_left and self._serving is not None and self._serving.uncancel() == 0

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if self._serving is not None and not self._progress.is_complete:
            self.has_left = True
            self._serving.cancel()
