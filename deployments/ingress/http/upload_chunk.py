"""The body of one upload request: its bytes as they arrive, and how it ended.

An interrupted body is stored as far as it arrived, unless it has a checksum. A client that sends
nothing for a while counts as gone: it must not keep the upload locked. Serve cancels the request of
a client that disconnected while received bytes are still queued.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from cluster.runtime.problems import ClientGone, Problem, RequestTimeout

IDLE_S = 20.0
ENDING_S = 1.0  # for bytes received before the request was cancelled

T = TypeVar("T")


class UploadChunk:
    """`broken` is why the body ended early, if it did."""

    def __init__(self, request: Request, *, keep_broken: bool, idle_s: float = IDLE_S) -> None:
        self.broken: Problem | None = None
        self._stream = request.stream()
        self._keep_broken = keep_broken
        self._idle_s = idle_s
        self._until = float("inf")
        self._waiting: asyncio.Timeout | None = None

    async def drain_into(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which reads the chunks. If this request is cancelled, `work` first
        stores the bytes received so far.
        """
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._end()
            await asyncio.gather(task, return_exceptions=True)
            raise

    async def chunks(self) -> AsyncIterator[bytes]:
        """Ends where the body was interrupted, or raises `broken` if that must not be stored."""
        while self.broken is None:
            chunk = await self._next()
            if chunk is None:
                break
            yield chunk
        if self.broken is not None and not self._keep_broken:
            raise self.broken

    async def _next(self) -> bytes | None:
        until = min(asyncio.get_running_loop().time() + self._idle_s, self._until)
        try:
            async with asyncio.timeout_at(until) as self._waiting:
                return await anext(self._stream, None)
        except TimeoutError:
            self.broken = RequestTimeout(f"No byte came for {self._idle_s:g} s.")
        except ClientDisconnect:
            self.broken = ClientGone("The client left before its body arrived.")
        finally:
            self._waiting = None
        return None

    def _end(self) -> None:
        self._until = asyncio.get_running_loop().time() + ENDING_S
        if self._waiting is not None:
            self._waiting.reschedule(self._until)
