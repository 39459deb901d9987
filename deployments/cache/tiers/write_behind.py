"""Writes that nobody waits for: kept in memory, bounded by bytes, until a slow place has them.

In: blobs under keys. Out: calls of `write`, a few at once, oldest first. Knows no place.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice

from cluster.runtime.background import create_detached_task

AT_ONCE = 8


class WriteBehind:
    """`write` puts one blob, `undo` takes back one that was dropped while it was written; neither
    may raise. What waits is lost with the process unless it is flushed.
    """

    def __init__(
        self,
        write: Callable[[bytes, bytes], Awaitable[None]],
        undo: Callable[[bytes], Awaitable[None]],
        limit_bytes: int,
    ) -> None:
        self._write, self._undo = write, undo
        self._limit_bytes = limit_bytes
        self._waiting: dict[bytes, bytes] = {}
        self._bytes = 0
        self._draining: asyncio.Task[None] | None = None

    def get(self, key: bytes) -> bytes | None:
        """What still waits to be written, or is being written."""
        return self._waiting.get(key)

    def put(self, key: bytes, blob: bytes) -> bool:
        """Take it, in place of what waits under the key; False when there is no room."""
        self.drop(key)
        if self._bytes + len(blob) > self._limit_bytes:
            return False
        self._waiting[key] = blob
        self._bytes += len(blob)
        if self._draining is None:
            self._draining = create_detached_task(self._drain())
        return True

    def drop(self, key: bytes) -> None:
        """Never write it, or take it back if that has begun."""
        blob = self._waiting.pop(key, None)
        if blob is not None:
            self._bytes -= len(blob)

    async def flush(self) -> None:
        """Wait until all that was put has been written."""
        while self._draining is not None:
            await asyncio.shield(self._draining)

    async def close(self, patience_s: float) -> None:
        """Flush for `patience_s`, then let go of the rest."""
        try:
            async with asyncio.timeout(patience_s):
                await self.flush()
        except TimeoutError:
            await self._give_up()

    async def _give_up(self) -> None:
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)
        self._waiting.clear()
        self._bytes = 0

    async def _drain(self) -> None:
        try:
            while self._waiting:
                some = list(islice(self._waiting.items(), AT_ONCE))
                await asyncio.gather(*(self._settle(key, blob) for key, blob in some))
        finally:
            self._draining = None

    async def _settle(self, key: bytes, blob: bytes) -> None:
        await self._write(key, blob)
        if key not in self._waiting:
            await self._undo(key)
        elif self._waiting[key] is blob:
            self.drop(key)
