"""A feed: server-sent events for hours, whatever the request's deadline was.

Flows in: frames, and a check that the client may still have them. Flows out: an ASGI answer that
begins at once. A client that leaves closes the frames' generator; a failure is told in-band.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from cluster.runtime.problems import Problem, to_problem
from deployments.ingress.http.problems import native_body
from deployments.ingress.http.streaming import SSE, sse_frame

logger = logging.getLogger("mobula.ingress")

RETRY_MS = 2_000
KEEP_ALIVE = b": keep-alive\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def feed_frame(name: str, data: object, id: int | None = None) -> bytes:
    """One event (WHATWG HTML, section 9.2); the client says `id` again when it comes back."""
    numbered = b"" if id is None else b"id: %d\n" % id
    return numbered + b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


class EventFeedResponse(StreamingResponse):
    """`still_allowed` raises a Problem once the client may have no more; asked at each beat."""

    def __init__(
        self, frames: AsyncGenerator[bytes, None], still_allowed: Callable[[], object]
    ) -> None:
        super().__init__(self._told(), media_type=SSE, headers=_HEADERS)
        self._frames = frames
        self._still_allowed = still_allowed
        self._problem: Problem | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["lift_deadline"]()
        pump = asyncio.ensure_future(self.stream_response(send))
        watcher = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((pump, watcher), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watcher.cancel()
            pump.cancel()
            await asyncio.wait((pump, watcher))
            await self._frames.aclose()
        if self._problem is not None:
            scope["state"]["problem"] = self._problem.slug
        if not pump.cancelled():
            pump.result()

    async def _told(self) -> AsyncGenerator[bytes, None]:
        yield b"retry: %d\n\n" % RETRY_MS
        try:
            async for frame in self._frames:
                if frame == KEEP_ALIVE:
                    self._still_allowed()
                yield frame
        except Exception as error:
            self._problem = to_problem(error)
            if self._problem is not error:
                logger.exception("a feed failed")
            yield sse_frame(("error", native_body(self._problem)))


async def _left(receive: Receive) -> None:
    message: Message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
