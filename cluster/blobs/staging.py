"""How bytes become a file: room is kept, bytes are written at a place of their own, then named.

In: what is to be stored. Out: Staged, then a StoredObject. A failure at any step, also a crash,
leaves either nothing or a row without a name, whose bytes the sweeper removes.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs import inventory, local
from cluster.blobs.content import Content, iter_blocks, length_of
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

_MEDIA_TYPE = re.compile(r"[\w.+-]{1,48}/[\w.+-]{1,48}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileSpec:
    """What a file is to be. `largest` bounds its bytes, `length` is what is declared of them."""

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
    """Bytes that are stored and reckoned, but are no file until they are kept."""

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
        room = self._room(new, connection)
        try:
            size, sha256 = await self._written(room, new, content)
        except BaseException:
            await asyncio.shield(self._undo(room, connection))
            raise
        return Staged(new, size, sha256, room.place)

    async def take(self, new: FileSpec, file: Path, connection: AsyncConnection | None) -> Staged:
        """The same of a finished file, linked where that is possible, else copied."""
        room = self._room(new, connection)
        try:
            size, sha256 = await asyncio.to_thread(_measured, file)
            await room.hold(size)
            if not await self._store.take(file, location(new.tenant, room.place)):
                size, sha256 = await self._written(room, new, file)
        except BaseException:
            await asyncio.shield(self._undo(room, connection))
            raise
        return Staged(new, size, sha256, room.place)

    async def keep(self, staged: Staged, connection: AsyncConnection | None) -> StoredObject:
        """Give the bytes their name. Raises RoomLost."""
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
        """Transactions of our own, or the one that is given."""
        return self._database.begin if connection is None else lambda: nullcontext(connection)

    def _room(self, new: FileSpec, connection: AsyncConnection | None) -> QuotaReservation:
        new.check()

        def limit() -> int | None:
            return self._plan_of(new.tenant).media.storage_bytes

        return QuotaReservation(self.begin(connection), self._clock, new.tenant, limit, new.largest)

    async def _written(
        self, room: QuotaReservation, new: FileSpec, content: Content
    ) -> tuple[int, str]:
        digest, size = hashlib.sha256(), 0
        await room.hold(length_of(content) or new.length or 0)
        writing = self._store.writing(location(new.tenant, room.place))
        async for block in iter_blocks(content):
            size += len(block)
            await room.hold(size)
            await asyncio.to_thread(digest.update, block)
            await writing.write(block)
        await writing.finish()
        return size, digest.hexdigest()

    async def _undo(self, room: QuotaReservation, connection: AsyncConnection | None) -> None:
        """What cannot be undone now is swept away later."""
        with suppress(Problem):
            if connection is not None:  # its transaction undoes the row
                await self._store.delete([location(room.tenant, room.place)])
                return
            async with self._database.begin() as own:
                doomed = await inventory.mark_deleted(
                    own, inventory.get_by_location(room.place), self._clock.wall()
                )
            await self._sweeper.remove(doomed)


def _measured(file: Path) -> tuple[int, str]:
    """Bytes and SHA-256. Raises InvalidRequest for an irregular file."""
    digest, size = hashlib.sha256(), 0
    with local.open_regular(file) as source:
        while block := source.read(BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()
