"""Writes without waiting: queued in memory, bounded by bytes, until a slow store has them.

In: blobs under keys. Out: calls of `write`, a few at once, oldest first. Knows no store.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice

from cluster.runtime.background import create_detached_task

AT_ONCE = 8


class WriteBehind:
    """`write` writes one blob, `undo` removes one that was dropped while it was written; neither
    may raise. Pending blobs are lost with the process unless they are flushed.
    """

    def __init__(
        self,
        write: Callable[[bytes, bytes], Awaitable[None]],
        undo: Callable[[bytes], Awaitable[None]],
        limit_bytes: int,
    ) -> None:
        self._write, self._undo = write, undo
        self._limit_bytes = limit_bytes
        self._pending: dict[bytes, bytes] = {}
        self._bytes = 0
        self._draining: asyncio.Task[None] | None = None

    def get(self, key: bytes) -> bytes | None:
        """The pending blob: not written yet, or being written."""
        return self._pending.get(key)

    def put(self, key: bytes, blob: bytes) -> bool:
        """Queue it in place of a pending one under the key; False if there is no room."""
        self.drop(key)
        if self._bytes + len(blob) > self._limit_bytes:
            return False
        self._pending[key] = blob
        self._bytes += len(blob)
        if self._draining is None:
            self._draining = create_detached_task(self._drain())
        return True

    def drop(self, key: bytes) -> None:
        """Never write it, or undo that if it has begun."""
        blob = self._pending.pop(key, None)
        if blob is not None:
            self._bytes -= len(blob)

    async def flush(self) -> None:
        """Wait until everything that was put has been written."""
        while self._draining is not None:
            await asyncio.shield(self._draining)

    async def close(self, patience_s: float) -> None:
        """Flush for `patience_s`, then drop the rest."""
        try:
            async with asyncio.timeout(patience_s):
                await self.flush()
        except TimeoutError:
            await self._drop_all()

    async def _drop_all(self) -> None:
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)
        self._pending.clear()
        self._bytes = 0

    async def _drain(self) -> None:
        try:
            while self._pending:
                some = list(islice(self._pending.items(), AT_ONCE))
                await asyncio.gather(*(self._settle(key, blob) for key, blob in some))
        finally:
            self._draining = None

    async def _settle(self, key: bytes, blob: bytes) -> None:
        await self._write(key, blob)
        if key not in self._pending:
            await self._undo(key)
        elif self._pending[key] is blob:
            self.drop(key)
