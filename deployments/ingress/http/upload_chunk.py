"""The body of one upload request: its chunks while they are received, and how it ended.

A body that breaks off is stored as far as it was received, unless a checksum covers all of it. A
client that sends nothing for a while counts as disconnected, so the upload does not stay locked.
Serve cancels the request of a client that disconnected, with received bytes still in its queue.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from cluster.runtime.problems import ClientGone, Problem, RequestTimeout

IDLE_S = 20.0
ENDING_S = 1.0  # to read what was received before the request was cancelled

T = TypeVar("T")


class UploadChunk:
    """`broken` is the reason why the body ended early; None while it has not."""

    def __init__(self, request: Request, *, keep_broken: bool, idle_s: float = IDLE_S) -> None:
        self.broken: Problem | None = None
        self._stream = request.stream()
        self._keep_broken = keep_broken
        self._idle_s = idle_s
        self._read_until = float("inf")
        self._timeout: asyncio.Timeout | None = None

    async def drain_into(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which reads the chunks. If the request is cancelled, `work` first
        stores what was received by then.
        """
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._stop_reading()
            await asyncio.gather(task, return_exceptions=True)
            raise

    async def chunks(self) -> AsyncIterator[bytes]:
        """Ends where the body broke off, or raises `broken` where a part is not stored."""
        while self.broken is None:
            chunk = await self._next()
            if chunk is None:
                break
            yield chunk
        if self.broken is not None and not self._keep_broken:
            raise self.broken

    async def _next(self) -> bytes | None:
        wait_until = min(asyncio.get_running_loop().time() + self._idle_s, self._read_until)
        try:
            async with asyncio.timeout_at(wait_until) as self._timeout:
                return await anext(self._stream, None)
        except TimeoutError:
            self.broken = RequestTimeout(f"No byte was received for {self._idle_s:g} s.")
        except ClientDisconnect:
            self.broken = ClientGone("The client disconnected before its body arrived.")
        finally:
            self._timeout = None
        return None

    def _stop_reading(self) -> None:
        self._read_until = asyncio.get_running_loop().time() + ENDING_S
        if self._timeout is not None:
            self._timeout.reschedule(self._read_until)
