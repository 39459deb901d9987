"""A client that leaves ends the work for its request.

In: `receive` of a request whose body has arrived. Out: the request's task is cancelled once the
client has left before its response was complete. Cancelling reaches every call that the task
awaits: a model call cancels its replica, a stream closes its generator.
"""

import asyncio

from starlette.types import Receive

from deployments.ingress.context import ResponseProgress


class DisconnectWatch:
    """Watches one request from `start` until `stop`; both are called by the request's own task.

    One task for each request: the request itself stays in the task that the server has made.
    """

    __slots__ = ("_progress", "_receive", "_serving", "_watching", "has_left")

    def __init__(self, receive: Receive, progress: ResponseProgress) -> None:
        """`receive` gives no more of the body; `progress` is that of the response."""
        self.has_left = False
        self._receive = receive
        self._progress = progress
        self._serving: asyncio.Task[object] | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Has no effect the second time."""
        if self._watching is None:
            loop = asyncio.get_running_loop()
            self._serving = asyncio.current_task(loop)
            self._watching = loop.create_task(self._wait())

    def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    def took_cancellation(self) -> bool:
        """Whether the request was cancelled by this watch alone: the task goes on then."""
        return self.has_left and self._serving is not None and self._serving.uncancel() == 0

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._serving is not None and not self._progress.is_complete:
            self.has_left = True
            self._serving.cancel()
