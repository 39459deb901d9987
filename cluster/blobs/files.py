"""Tenants' files: put, read, fetch and delete them; expired ones are removed.

In: a tenant, a path, bytes. Out: StoredObjects and bytes; NotFound for another tenant's file. The
inventory in the database says which files there are; the bytes of each write have a location of
their own, so a file is replaced atomically. Knows no HTTP.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from pathlib import Path
from random import Random

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs import inventory
from cluster.blobs.errors import not_found
from cluster.blobs.inventory import AT_ONCE, PendingDeletion, StoredObject
from cluster.blobs.paths import location, validate_path
from cluster.blobs.staging import Content, FileSpec, Staged, StagingArea
from cluster.blobs.store import BlobStore
from cluster.blobs.sweeper import CLAIM_S, Sweeper, SweepResult
from cluster.runtime.clock import Clock
from cluster.storage.database import Database
from cluster.tenants.plan import Plan

__all__ = ["Staged", "StoredObject", "SweepResult", "TenantFiles"]

log = logging.getLogger(__name__)


class TenantFiles:
    """One a process. `start` it to have expired files removed; `close` it.

    `plan_of` gives a tenant's plan; its `media.storage_bytes` bounds all files of the tenant
    together, including uploads and the file that is being replaced. One store belongs to one
    database: bytes that it does not know are deleted.
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
        at that path; a declared `length` that does not fit is refused at once.

        Raises StorageFull, PayloadTooLarge, InvalidRequest, BlobStoreUnavailable,
        DatabaseUnavailable, and ReservationLost if no byte came for a quarter of an hour; then
        nothing is changed. With `connection` it is part of that transaction, which waits for the
        bytes: for small files. For others `stage` first, and `commit` in the transaction.
        """
        new = FileSpec(tenant, path, media_type, expires, largest, length)
        staged = await self._staging.write(new, content, connection)
        return await self._staging.commit(staged, connection)

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
        """The first half of `put`; bytes not committed within a quarter of an hour are deleted."""
        new = FileSpec(tenant, path, media_type, expires, largest, length)
        return await self._staging.write(new, content, None)

    async def commit(
        self, staged: Staged, connection: AsyncConnection | None = None
    ) -> StoredObject:
        """The second half. Raises ReservationLost if it comes too late."""
        return await self._staging.commit(staged, connection)

    async def discard(self, staged: Staged) -> None:
        """Delete bytes that are not to be committed."""
        await self._delete([inventory.get_by_location(staged.place)], None)

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
        """As `put` for a finished local file, which is deleted afterwards (with `connection` it
        stays). Within one file system nothing is copied. A symlink is refused.
        """
        new = FileSpec(tenant, path, media_type, expires, largest)
        staged = await self._staging.take(new, file, connection)
        stored = await self._staging.commit(staged, connection)
        if connection is None:
            await asyncio.to_thread(file.unlink, missing_ok=True)
        return stored

    async def stat(self, tenant: str, path: str) -> StoredObject:
        """Raises NotFound."""
        async with self._database.read() as connection:
            file = await inventory.list_objects(
                connection, tenant, validate_path(path), self._clock.wall()
            )
        if file is None:
            raise not_found(path)
        return file

    async def list_under(self, tenant: str, folder: str) -> tuple[StoredObject, ...]:
        """Every file whose path begins with `folder` and a slash, by path."""
        async with self._database.read() as connection:
            return await inventory.list_under(
                connection, tenant, validate_path(folder), self._clock.wall()
            )

    async def open(
        self, tenant: str, path: str, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end` in blocks of about 1 MiB. Raises NotFound."""
        return self.read(await self.stat(tenant, path), start, end)

    async def read(
        self, file: StoredObject, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of exactly this version. Raises NotFound if they were deleted meanwhile."""
        last = file.bytes if end is None else min(end, file.bytes)
        try:
            async for block in self._store.read(_location(file), max(start, 0), last):
                yield block
        except FileNotFoundError as error:
            log.warning("the bytes of a file of tenant %s are missing: %s", file.tenant, file.path)
            raise not_found(file.path) from error

    async def fetch(self, tenant: str, path: str, file: Path) -> StoredObject:
        """Copy the stored file to local `file`, whose folder exists, atomically.

        It may be a hard link to the stored bytes, so it must only be read. Raises NotFound.
        """
        stored = await self.stat(tenant, path)
        try:
            await self._store.fetch(_location(stored), stored.bytes, file)
        except FileNotFoundError as error:
            raise not_found(path) from error
        return stored

    async def delete(
        self, tenant: str, paths: Iterable[str], connection: AsyncConnection | None = None
    ) -> int:
        """How many there were. With `connection` their bytes are deleted by a sweep after it."""
        names = [validate_path(path) for path in paths]
        starts = range(0, len(names), AT_ONCE)
        chunks = [names[start : start + AT_ONCE] for start in starts]
        return await self._delete([inventory.get(tenant, some) for some in chunks], connection)

    async def delete_under(
        self, tenant: str, folder: str, connection: AsyncConnection | None = None
    ) -> int:
        """The same for every file whose path begins with `folder` and a slash."""
        under = inventory.list_prefix(tenant, validate_path(folder.removesuffix("/")))
        return await self._delete([under], connection)

    async def delete_all(self, tenant: str) -> int:
        """Delete every file of the tenant; returns the number."""
        return await self._delete([inventory.all_named(tenant)], None)

    async def used(self, tenant: str) -> int:
        """Bytes that count against the plan, uploads included."""
        async with self._database.read() as connection:
            return await inventory.used_bytes(connection, tenant)

    async def sweep(self) -> SweepResult:
        """Remove expired files and orphans. Raises DatabaseUnavailable, BlobStoreUnavailable."""
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
