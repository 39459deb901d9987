"""The lasting tier: sealed answers as objects in a folder or in object storage (S3, GCS, Azure).

In: keys and sealed bytes. Out: the same, also after a restart, or TierDown. An object is a header
(when it expires, a checksum) and the sealed bytes; one that is corrupt or expired is dropped by
whoever reads it. Several processes may share a place: nobody keeps an index, each lists what is
there whenever it has written a 32nd of `max_bytes`, and deletes the oldest.
"""

import asyncio
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Literal

from obstore.exceptions import BaseError

from cluster.runtime.clock import Clock
from deployments.cache.tiers.breaker import ConsecutiveFailureBreaker
from deployments.cache.tiers.object_store import CacheObjectStore, ObjectMeta
from deployments.cache.tiers.write_behind import WriteBehind
from deployments.contracts.cache import TierUnavailable

LONGEST_TTL_S = 30 * 86400.0
LARGEST_BYTES = 64 * 2**20
WRITE_S, SWEEP_S, CLOSE_S = 10.0, 300.0, 10.0
PAUSE_S = 5.0
FULL, STEP = 7 / 8, 1 / 32  # of max_bytes: what a sweep leaves, and what is written between two

_HEADER = struct.Struct(">4sId")  # magic, CRC-32 of what follows, Unix time of expiry
_SUMMED_FROM = 8
_MAGIC = b"MLA1"


class ObjectStoreTier:
    """A Tier. `where` is a folder or a URL, as of Objects.

    A look waits `timeout_s` at the longest. `put` waits for nothing: up to `pending_bytes` wait to
    be written, more are dropped and counted, and so is an answer larger than an eighth of
    `max_bytes`. No life is longer than LONGEST_TTL_S. With n processes a place holds at most
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
        self._objects = CacheObjectStore(where)
        self._max_bytes = max_bytes
        self._clock = clock
        self._timeout_s = timeout_s
        self._reads = ConsecutiveFailureBreaker(clock, pause_s=PAUSE_S)
        self._writes = ConsecutiveFailureBreaker(clock, pause_s=PAUSE_S)
        self._queue = WriteBehind(self._write, self._take_back, pending_bytes)
        self._sweeping = asyncio.Lock()
        self._unswept = max_bytes  # the first write sweeps
        self._held = {"bytes": -1, "entries": -1}
        names = ("evictions", "errors", "refused", "dropped", "corrupt", "expired")
        self._counts = dict.fromkeys(names, 0)

    async def get(self, key: bytes) -> bytes | None:
        blob = self._queue.get(key)
        if blob is None:
            blob = await self._read(_path(key))
        if blob is None:
            return None
        found = _unpacked(blob, self._clock.wall())
        if isinstance(found, bytes):
            return found
        self._counts[found] += 1
        with suppress(TierUnavailable):
            await self.remove(key)
        return None

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        """Returns at once; raises TierDown only while writing is paused after failures."""
        if not self._writes.ready:
            self._counts["refused"] += 1
            raise TierUnavailable("paused after failures")
        expires = self._clock.wall() + min(ttl_s, LONGEST_TTL_S)
        blob = _packed(sealed, expires)
        fits = len(blob) <= min(LARGEST_BYTES, self._max_bytes // 8)
        if ttl_s > 0 and not (fits and self._queue.put(key, blob)):
            self._counts["dropped"] += 1

    async def remove(self, key: bytes) -> None:
        self._queue.drop(key)
        with self._guarded(self._writes):
            async with asyncio.timeout(self._timeout_s):
                await self._objects.delete([_path(key)])

    async def flush(self) -> None:
        """Wait until all that was put is written, or has failed to be."""
        await self._queue.flush()

    async def close(self) -> None:
        """Write the rest, for CLOSE_S seconds at the longest."""
        await self._queue.close(CLOSE_S)

    def figures(self) -> Mapping[str, int]:
        """As in the contract; what is held is known from the last sweep and this process's writes
        since. `refused` were not tried because the place was down, `dropped` never written."""
        return {**self._held, **self._counts}

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

    async def _take_back(self, key: bytes) -> None:
        with suppress(TierUnavailable):
            await self.remove(key)

    async def _account(self, size: int) -> None:
        """Writers wait for a sweep, so that no process writes more than STEP between two."""
        self._unswept += size
        if self._held["entries"] >= 0:
            self._held = {"bytes": self._held["bytes"] + size, "entries": self._held["entries"] + 1}
        async with self._sweeping:
            if self._unswept >= self._max_bytes * STEP:
                async with asyncio.timeout(SWEEP_S):
                    await self._sweep()

    async def _sweep(self) -> None:
        """Delete what is past any life, then the oldest, until FULL is left."""
        now = self._clock.wall()
        await self._objects.clear_abandoned(now)
        size, entries = 0, 0
        past: list[ObjectMeta] = []
        async for held in self._objects.listed():
            size, entries = size + held.size, entries + 1
            if held.modified < now - LONGEST_TTL_S:
                past.append(held)
        excess = size - int(self._max_bytes * FULL)
        dead = {*past, *(await self._objects.oldest(excess) if excess > 0 else ())}
        await self._objects.delete([held.path for held in dead])
        self._counts["evictions"] += len(dead)
        freed = sum(held.size for held in dead)
        self._held = {"bytes": size - freed, "entries": entries - len(dead)}
        self._unswept = 0

    @contextmanager
    def _guarded(self, breaker: ConsecutiveFailureBreaker) -> Iterator[None]:
        self._counts["refused"] += not breaker.ready
        with breaker.call():
            try:
                yield
            except (BaseError, OSError, TimeoutError) as error:
                self._counts["errors"] += 1
                raise TierUnavailable(type(error).__name__) from None


def _path(key: bytes) -> str:
    name = key.hex()
    return f"{name[:2]}/{name}"


def _packed(sealed: bytes, expires: float) -> bytes:
    content = struct.pack(">d", expires) + sealed
    return _MAGIC + struct.pack(">I", zlib.crc32(content)) + content


def _unpacked(blob: bytes, now: float) -> bytes | Literal["corrupt", "expired"]:
    if len(blob) < _HEADER.size:
        return "corrupt"
    magic, checksum, expires = _HEADER.unpack_from(blob)
    if magic != _MAGIC or checksum != zlib.crc32(memoryview(blob)[_SUMMED_FROM:]):
        return "corrupt"
    return blob[_HEADER.size :] if now < expires else "expired"
