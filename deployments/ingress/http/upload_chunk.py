"""The body of one request as a piece of a recording: bytes as they come, and how they ended.

A piece that breaks off is worth keeping as far as it came, unless a checksum speaks of the whole of
it. A client that sends nothing for a while has gone, too: the upload must not stay locked for it.
Serve cancels the request of a client that left, with what had come still in line.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from cluster.runtime.problems import ClientGone, Problem, RequestTimeout

IDLE_S = 20.0
ENDING_S = 1.0  # for what had come before the request was cancelled

T = TypeVar("T")


class UploadChunk:
    """`broken` is why the body ended early, once it has."""

    def __init__(self, request: Request, *, keep_broken: bool, idle_s: float = IDLE_S) -> None:
        self.broken: Problem | None = None
        self._stream = request.stream()
        self._keep_broken = keep_broken
        self._idle_s = idle_s
        self._until = float("inf")
        self._waiting: asyncio.Timeout | None = None

    async def drain_into(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work`, which reads the chunks, makes of them. If this request is cancelled it keeps
        what had come by then, and only then is the request over.
        """
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._end()
            await asyncio.gather(task, return_exceptions=True)
            raise

    async def chunks(self) -> AsyncIterator[bytes]:
        """Ends where the body broke off, or raises `broken` if that is not to be kept."""
        while self.broken is None:
            chunk = await self._next()
            if chunk is None:
                break
            yield chunk
        if self.broken is not None and not self._keep_broken:
            raise self.broken

    async def _next(self) -> bytes | None:
        patience = min(asyncio.get_running_loop().time() + self._idle_s, self._until)
        try:
            async with asyncio.timeout_at(patience) as self._waiting:
                return await anext(self._stream, None)
        except TimeoutError:
            self.broken = RequestTimeout(f"No byte came for {self._idle_s:g} s.")
        except ClientDisconnect:
            self.broken = ClientGone("The client disconnected before its body arrived.")
        finally:
            self._waiting = None
        return None

    def _end(self) -> None:
        self._until = asyncio.get_running_loop().time() + ENDING_S
        if self._waiting is not None:
            self._waiting.reschedule(self._until)
