"""The third tier (L3): encrypted entries as objects in a folder or bucket (S3, GCS, Azure).

In: keys and encrypted bytes. Out: the same, also after a restart, or TierUnavailable. An object is
a header (when it expires, a checksum) and the encrypted bytes; a corrupt or expired one is deleted
by the process that reads it. Several processes may share a store: there is no index, each process
lists the store whenever it has written a 32nd of `max_bytes`, and deletes the oldest objects.
"""

import asyncio
import heapq
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Literal

from cluster.resilience.breaker import CircuitBreaker
from cluster.runtime.clock import Clock
from cluster.storage.object_store import ERRORS, ObjectMeta, ObjectStore, RemoteTimeouts
from deployments.cache.tiers.write_behind import WriteBehind
from deployments.contracts.cache import TierUnavailable

LONGEST_TTL_S = 30 * 86400.0
LARGEST_BYTES = 64 * 2**20
WRITE_S, SWEEP_S, CLOSE_S = 10.0, 300.0, 10.0
PAUSE_S = 5.0
FULL, STEP = 7 / 8, 1 / 32  # of max_bytes: what a sweep leaves, and what is written between two
ABANDONED_S = 3600.0

_TIMEOUTS = RemoteTimeouts(request_s=10.0, connect_s=1.0, retries=1, retries_s=2.0)
_DRAFTS = "??/*#*"  # of objects that are being written, as obstore names them in a folder
_HEADER = struct.Struct(">4sId")  # magic, CRC-32 of what follows, Unix time of expiry
_SUMMED_FROM = 8
_MAGIC = b"MLA1"


class ObjectStoreTier:
    """A Tier. `where` is a folder or a URL, as for ObjectStore.

    `get` takes at most `timeout_s`. `put` does not wait: up to `pending_bytes` wait to be written,
    more are dropped and counted, and so is an entry larger than an eighth of `max_bytes`. No
    lifetime is longer than LONGEST_TTL_S. With n processes a store holds at most
    max_bytes * (7/8 + n/32), and what each writes at that moment.
    """

    def __init__(
        self,
        where: str,
        max_bytes: int,
        clock: Clock,
        *,
        timeout_s: float = 0.25,
        pending_bytes: int = 32 * 2**20,
    ) -> None:
        self._objects = ObjectStore(where, _TIMEOUTS)
        self._max_bytes = max_bytes
        self._clock = clock
        self._timeout_s = timeout_s
        self._reads = CircuitBreaker.for_consecutive_failures(clock, pause_s=PAUSE_S)
        self._writes = CircuitBreaker.for_consecutive_failures(clock, pause_s=PAUSE_S)
        self._queue = WriteBehind(self._write, self._undo_write, pending_bytes)
        self._sweeping = asyncio.Lock()
        self._unswept = max_bytes  # the first write sweeps
        self._stored = {"bytes": -1, "entries": -1}
        names = ("evictions", "errors", "refused", "dropped", "corrupt", "expired")
        self._counts = dict.fromkeys(names, 0)

    async def get(self, key: bytes) -> bytes | None:
        blob = self._queue.get(key)
        if blob is None:
            blob = await self._read(_path(key))
        if blob is None:
            return None
        content = _unpack(blob, self._clock.wall())
        if isinstance(content, bytes):
            return content
        self._counts[content] += 1
        with suppress(TierUnavailable):
            await self.remove(key)
        return None

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        """Returns at once; raises TierUnavailable only while writing is paused after failures."""
        if not self._writes.ready:
            self._counts["refused"] += 1
            raise TierUnavailable("paused after failures")
        expires = self._clock.wall() + min(ttl_s, LONGEST_TTL_S)
        blob = _pack(sealed, expires)
        fits = len(blob) <= min(LARGEST_BYTES, self._max_bytes // 8)
        if ttl_s > 0 and not (fits and self._queue.put(key, blob)):
            self._counts["dropped"] += 1

    async def remove(self, key: bytes) -> None:
        self._queue.drop(key)
        with self._guarded(self._writes):
            async with asyncio.timeout(self._timeout_s):
                await self._objects.delete([_path(key)])

    async def flush(self) -> None:
        """Wait until everything that was put is written, or has failed to be."""
        await self._queue.flush()

    async def close(self) -> None:
        """Write what is pending, for at most CLOSE_S seconds."""
        await self._queue.close(CLOSE_S)

    def figures(self) -> Mapping[str, int]:
        """As in the contract; `bytes` and `entries` are those of the last sweep and of this
        process's writes since. `refused` were not tried because the store was down, `dropped` never
        written."""
        return {**self._stored, **self._counts}

    async def _read(self, path: str) -> bytes | None:
        with self._guarded(self._reads):
            async with asyncio.timeout(self._timeout_s):
                return await self._objects.read(path, LARGEST_BYTES)

    async def _write(self, key: bytes, blob: bytes) -> None:
        try:
            with self._guarded(self._writes):
                async with asyncio.timeout(WRITE_S):
                    await self._objects.write(_path(key), blob)
                await self._account(len(blob))
        except TierUnavailable:
            self._counts["dropped"] += 1

    async def _undo_write(self, key: bytes) -> None:
        with suppress(TierUnavailable):
            await self.remove(key)

    async def _account(self, size: int) -> None:
        """Writers wait for a sweep, so that no process writes more than STEP between two."""
        self._unswept += size
        if self._stored["entries"] >= 0:
            self._stored["bytes"] += size
            self._stored["entries"] += 1
        async with self._sweeping:
            if self._unswept >= self._max_bytes * STEP:
                async with asyncio.timeout(SWEEP_S):
                    await self._sweep()

    async def _sweep(self) -> None:
        """Delete objects beyond the longest lifetime, then the oldest, until FULL is left."""
        now = self._clock.wall()
        await asyncio.to_thread(self._objects.clear_abandoned, _DRAFTS, now - ABANDONED_S)
        size, entries = 0, 0
        expired: list[ObjectMeta] = []
        async for some in self._objects.list():
            size, entries = size + sum(each.size for each in some), entries + len(some)
            expired += [each for each in some if each.modified < now - LONGEST_TTL_S]
        excess = size - int(self._max_bytes * FULL)
        doomed = {*expired, *(await self._oldest(excess) if excess > 0 else ())}
        await self._objects.delete([each.path for each in doomed])
        self._counts["evictions"] += len(doomed)
        freed = sum(each.size for each in doomed)
        self._stored = {"bytes": size - freed, "entries": entries - len(doomed)}
        self._unswept = 0

    async def _oldest(self, total: int) -> list[ObjectMeta]:
        """The fewest oldest objects of `total` bytes; no more than those are in memory."""
        newest_first: list[tuple[float, ObjectMeta]] = []
        size = 0
        async for some in self._objects.list():
            for each in some:
                heapq.heappush(newest_first, (-each.modified, each))
                size += each.size
                while size - newest_first[0][1].size >= total:
                    size -= heapq.heappop(newest_first)[1].size
        return [each for _, each in newest_first]

    @contextmanager
    def _guarded(self, breaker: CircuitBreaker) -> Iterator[None]:
        self._counts["refused"] += not breaker.ready
        with breaker.guard(TierUnavailable):
            try:
                yield
            except ERRORS as error:
                self._counts["errors"] += 1
                raise TierUnavailable(type(error).__name__) from None


def _path(key: bytes) -> str:
    name = key.hex()
    return f"{name[:2]}/{name}"


def _pack(sealed: bytes, expires: float) -> bytes:
    content = struct.pack(">d", expires) + sealed
    return _MAGIC + struct.pack(">I", zlib.crc32(content)) + content


def _unpack(blob: bytes, now: float) -> bytes | Literal["corrupt", "expired"]:
    if len(blob) < _HEADER.size:
        return "corrupt"
    magic, checksum, expires = _HEADER.unpack_from(blob)
    if magic != _MAGIC or checksum != zlib.crc32(memoryview(blob)[_SUMMED_FROM:]):
        return "corrupt"
    return blob[_HEADER.size :] if now < expires else "expired"
