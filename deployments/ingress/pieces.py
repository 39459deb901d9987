"""The body of one request as a piece of a recording: bytes as they come, and how they ended.

A piece that breaks off is worth keeping as far as it came, unless a checksum speaks of the whole of
it. A client that sends nothing for a while has gone, too: the upload must not stay locked for it.
"""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from cluster.problems import ClientGone, Problem, RequestTimeout

IDLE_S = 20.0


class Piece:
    """`broken` is why the body ended early, once it has."""

    def __init__(self, request: Request, *, keep_broken: bool, idle_s: float = IDLE_S) -> None:
        self.broken: Problem | None = None
        self._stream = request.stream()
        self._keep_broken = keep_broken
        self._idle_s = idle_s

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
        try:
            async with asyncio.timeout(self._idle_s):
                return await anext(self._stream, None)
        except TimeoutError:
            self.broken = RequestTimeout(f"No byte came for {self._idle_s:g} s.")
        except ClientDisconnect:
            self.broken = ClientGone("The client left before its body arrived.")
        return None
