"""Stores a file: reserve quota, write the bytes at a place of their own, then attach the path.

In: the content. Out: Staged, then a StoredObject. A failure at any step, also a crash, leaves
either nothing or a row without a path, whose bytes the sweeper deletes.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs import inventory, local
from cluster.blobs.errors import ReservationLost
from cluster.blobs.inventory import StoredObject
from cluster.blobs.paths import location, validate_path
from cluster.blobs.quota_reservation import Begin, QuotaReservation
from cluster.blobs.store import BLOCK, BlobStore
from cluster.blobs.sweeper import Sweeper
from cluster.runtime.clock import Clock
from cluster.runtime.problems import InvalidRequest, Problem
from cluster.storage.database import Database
from cluster.tenants.plan import Plan

Content = AsyncIterable[bytes] | bytes | Path

_MEDIA_TYPE = re.compile(r"[\w.+-]{1,48}/[\w.+-]{1,48}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A file to store. `largest` bounds its bytes, `length` is the declared number of them."""

    tenant: str
    path: str
    media_type: str
    expires: float | None
    largest: int | None = None
    length: int | None = None

    def check(self) -> None:
        """Raises InvalidRequest."""
        validate_path(self.path)
        if not _MEDIA_TYPE.fullmatch(self.media_type):
            raise InvalidRequest("media_type: is not one, such as video/mp4.", param="media_type")


@dataclass(frozen=True, slots=True)
class Staged:
    """Stored bytes within the quota, which are not a file until they are committed."""

    new: FileSpec
    bytes: int
    sha256: str
    place: str


class StagingArea:
    """Each method takes the connection of a transaction to work in, or makes its own."""

    def __init__(
        self,
        database: Database,
        store: BlobStore,
        clock: Clock,
        plan_of: Callable[[str], Plan],
        sweeper: Sweeper,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._plan_of = plan_of
        self._sweeper = sweeper

    async def write(
        self, new: FileSpec, content: Content, connection: AsyncConnection | None
    ) -> Staged:
        """Errors as of TenantFiles.put."""
        reservation = self._reserve(new, connection)
        try:
            size, sha256 = await self._write_blocks(reservation, new, content)
        except BaseException:
            await asyncio.shield(self._undo(reservation, connection))
            raise
        return Staged(new, size, sha256, reservation.place)

    async def take(self, new: FileSpec, file: Path, connection: AsyncConnection | None) -> Staged:
        """The same for a finished local file, linked if possible, else copied."""
        reservation = self._reserve(new, connection)
        try:
            size, sha256 = await asyncio.to_thread(_measure, file)
            await reservation.hold(size)
            if not await self._store.take(file, location(new.tenant, reservation.place)):
                size, sha256 = await self._write_blocks(reservation, new, file)
        except BaseException:
            await asyncio.shield(self._undo(reservation, connection))
            raise
        return Staged(new, size, sha256, reservation.place)

    async def commit(self, staged: Staged, connection: AsyncConnection | None) -> StoredObject:
        """Attach the path. Raises ReservationLost."""
        new = staged.new
        file = StoredObject(
            path=new.path,
            bytes=staged.bytes,
            sha256=staged.sha256,
            media_type=new.media_type,
            created=self._clock.wall(),
            expires=new.expires,
            tenant=new.tenant,
            place=staged.place,
        )
        try:
            async with self.begin(connection)() as current:
                await inventory.lock(current, file.tenant)
                if not await inventory.attach_name(current, file):
                    raise ReservationLost
        except ReservationLost:
            await self._store.delete([location(file.tenant, file.place)])
            raise
        return file

    def begin(self, connection: AsyncConnection | None) -> Begin:
        """A function that begins a transaction of our own, or uses the given one."""
        return self._database.begin if connection is None else lambda: nullcontext(connection)

    def _reserve(self, new: FileSpec, connection: AsyncConnection | None) -> QuotaReservation:
        new.check()

        def limit() -> int | None:
            return self._plan_of(new.tenant).media.storage_bytes

        return QuotaReservation(self.begin(connection), self._clock, new.tenant, limit, new.largest)

    async def _write_blocks(
        self, reservation: QuotaReservation, new: FileSpec, content: Content
    ) -> tuple[int, str]:
        digest, size = hashlib.sha256(), 0
        await reservation.hold(length_of(content) or new.length or 0)
        writing = self._store.writing(location(new.tenant, reservation.place))
        async for block in iter_blocks(content):
            size += len(block)
            await reservation.hold(size)
            await asyncio.to_thread(digest.update, block)
            await writing.write(block)
        await writing.finish()
        return size, digest.hexdigest()

    async def _undo(
        self, reservation: QuotaReservation, connection: AsyncConnection | None
    ) -> None:
        """What cannot be undone now is swept later."""
        with suppress(Problem):
            if connection is not None:  # its transaction undoes the row
                await self._store.delete([location(reservation.tenant, reservation.place)])
                return
            async with self._database.begin() as own:
                doomed = await inventory.mark_deleted(
                    own, inventory.get_by_location(reservation.place), self._clock.wall()
                )
            await self._sweeper.remove(doomed)


def _measure(file: Path) -> tuple[int, str]:
    """Bytes and SHA-256. Raises InvalidRequest for an irregular file."""
    digest, size = hashlib.sha256(), 0
    with local.open_regular(file) as source:
        while block := source.read(BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def length_of(content: Content) -> int | None:
    """Bytes, if known before they are read."""
    if isinstance(content, Path):
        return content.lstat().st_size
    return len(content) if isinstance(content, bytes) else None


async def iter_blocks(content: Content) -> AsyncIterator[bytes]:
    """Blocks of BLOCK bytes; the last is shorter. Raises InvalidRequest for an irregular file."""
    if isinstance(content, Path):
        async for block in _file_blocks(content):
            yield block
    elif isinstance(content, bytes):
        for start in range(0, len(content), BLOCK):
            yield content[start : start + BLOCK]
    else:
        async for block in _rechunk(content):
            yield block


async def _file_blocks(file: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(local.open_regular, file) as source:
        while block := await asyncio.to_thread(source.read, BLOCK):
            yield block


async def _rechunk(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= BLOCK:
            yield bytes(buffer[:BLOCK])
            del buffer[:BLOCK]
    if buffer:
        yield bytes(buffer)
