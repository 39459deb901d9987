"""Files of tenants: put, read, fetched, deleted, and gone when their time is over.

In: a tenant, a path, bytes however they come. Out: StoredObjects and bytes; NotFound for what is
not this tenant's. The inventory in the database says what there is; the bytes of each writing lie
at a place of their own, so a file is replaced in one step and never half. Knows no HTTP.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from pathlib import Path
from random import Random

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs import inventory
from cluster.blobs.content import Content
from cluster.blobs.errors import not_found
from cluster.blobs.inventory import AT_ONCE, PendingDeletion, StoredObject
from cluster.blobs.paths import location, validate_path
from cluster.blobs.staging import FileSpec, Staged, StagingArea
from cluster.blobs.store import BlobStore
from cluster.blobs.sweeper import CLAIM_S, Sweeper, SweepResult
from cluster.runtime.clock import Clock
from cluster.storage.database import Database
from cluster.tenants.plan import Plan

__all__ = ["Staged", "StoredObject", "SweepResult", "TenantFiles"]

log = logging.getLogger(__name__)


class TenantFiles:
    """One a process. `start` it to have expired files removed; `close` it.

    `plan_of` gives the plan that a tenant is on; its `media.storage_bytes` bounds all of a tenant's
    files together, those on their way and the one that is being replaced included. One store
    belongs to one database: what that does not know is swept away.
    """

    def __init__(
        self,
        database: Database,
        store: BlobStore,
        clock: Clock,
        plan_of: Callable[[str], Plan],
        random: Random | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._sweeper = Sweeper(database, store, clock, random or Random())
        self._staging = StagingArea(database, store, clock, plan_of, self._sweeper)

    async def put(
        self,
        tenant: str,
        path: str,
        content: Content,
        media_type: str,
        expires: float | None,
        *,
        largest: int | None = None,
        length: int | None = None,
        connection: AsyncConnection | None = None,
    ) -> StoredObject:
        """Store a file of at most `largest` bytes until `expires` (Unix seconds), in place of any
        of that name; `length` is what is declared, refused at once where it does not fit.

        Raises StorageFull, PayloadTooLarge, InvalidRequest, BlobsDown, StoreDown, and RoomLost when
        no byte came for a quarter of an hour; then nothing is changed. On `connection` it is
        done if that transaction commits, which waits for the bytes: for small files. Else `stage`
        first, and `keep` in the transaction.
        """
        new = FileSpec(tenant, path, media_type, expires, largest, length)
        staged = await self._staging.write(new, content, connection)
        return await self._staging.keep(staged, connection)

    async def stage(
        self,
        tenant: str,
        path: str,
        content: Content,
        media_type: str,
        expires: float | None,
        *,
        largest: int | None = None,
        length: int | None = None,
    ) -> Staged:
        """The first half of `put`; what is not kept within a quarter of an hour is swept away."""
        new = FileSpec(tenant, path, media_type, expires, largest, length)
        return await self._staging.write(new, content, None)

    async def commit(
        self, staged: Staged, connection: AsyncConnection | None = None
    ) -> StoredObject:
        """The second half. Raises RoomLost when it comes too late."""
        return await self._staging.keep(staged, connection)

    async def put_file(
        self,
        tenant: str,
        path: str,
        file: Path,
        media_type: str,
        expires: float | None,
        *,
        largest: int | None = None,
        connection: AsyncConnection | None = None,
    ) -> StoredObject:
        """As `put` of a finished local file, which is gone afterwards (on `connection` it stays).

        Where the store is in the same file system nothing is copied. A symlink is refused.
        """
        new = FileSpec(tenant, path, media_type, expires, largest)
        staged = await self._staging.take(new, file, connection)
        kept = await self._staging.keep(staged, connection)
        if connection is None:
            await asyncio.to_thread(file.unlink, missing_ok=True)
        return kept

    async def stat(self, tenant: str, path: str) -> StoredObject:
        """Raises NotFound."""
        async with self._database.read() as connection:
            found = await inventory.list_objects(
                connection, tenant, validate_path(path), self._clock.wall()
            )
        if found is None:
            raise not_found(path)
        return found

    async def open(
        self, tenant: str, path: str, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end` in blocks of about 1 MiB. Raises NotFound."""
        return self.read(await self.stat(tenant, path), start, end)

    async def read(
        self, file: StoredObject, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of exactly this writing. Raises NotFound if they were deleted meanwhile."""
        last = file.bytes if end is None else min(end, file.bytes)
        try:
            async for block in self._store.read(_location(file), max(start, 0), last):
                yield block
        except FileNotFoundError as error:
            log.warning("bytes of a file of tenant %s are gone: %s", file.tenant, file.path)
            raise not_found(file.path) from error

    async def fetch(self, tenant: str, path: str, file: Path) -> StoredObject:
        """Make local `file`, whose folder exists, the same as what is stored, in one step.

        It may be the very bytes of the store under another name, so it may be read only. Raises
        NotFound.
        """
        found = await self.stat(tenant, path)
        try:
            await self._store.fetch(_location(found), found.bytes, file)
        except FileNotFoundError as error:
            raise not_found(path) from error
        return found

    async def delete(
        self, tenant: str, paths: Iterable[str], connection: AsyncConnection | None = None
    ) -> int:
        """How many there were. On `connection` their bytes go after it committed, when swept."""
        names = [validate_path(path) for path in paths]
        chunks = [names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE)]
        return await self._delete([inventory.get(tenant, some) for some in chunks], connection)

    async def delete_under(
        self, tenant: str, folder: str, connection: AsyncConnection | None = None
    ) -> int:
        """The same for every file whose path begins with `folder` and a slash."""
        under = inventory.list_prefix(tenant, validate_path(folder.removesuffix("/")))
        return await self._delete([under], connection)

    async def used(self, tenant: str) -> int:
        """Bytes that count against the plan, those on their way included."""
        async with self._database.read() as connection:
            return await inventory.used_bytes(connection, tenant)

    async def sweep(self) -> SweepResult:
        """Remove what has expired, and bytes that no row names. Raises StoreDown, BlobsDown."""
        return await self._sweeper.sweep()

    async def start(self) -> None:
        """Do so by itself from now on."""
        self._sweeper.start()

    async def close(self) -> None:
        """The database stays open."""
        await self._sweeper.close()

    async def _delete(
        self, which: Iterable[ColumnElement[bool]], connection: AsyncConnection | None
    ) -> int:
        until = self._clock.wall() + (CLAIM_S if connection is None else 0.0)
        doomed: list[PendingDeletion] = []
        async with self._staging.begin(connection)() as current:
            for each in which:
                doomed += await inventory.mark_deleted(current, each, until)
        if connection is None:
            await self._sweeper.remove(doomed)
        return len(doomed)


def _location(file: StoredObject) -> str:
    return location(file.tenant, file.place)
