"""The store of resumable uploads: their rows, their locks, and their parts.

    open --chunks--> finishing --admitted--> done
                         `-----refused-----> failed

Flows in: chunks in order. Flows out: `Upload` values, and at the end all bytes as one stream. One
request at a time locks an upload, by a lease in its row that it renews; every write names the
holder, so a holder whose lease expired changes nothing. A part is the object
`uploads/<id>/<offset>`, committed in the transaction that counts its bytes, so each part ends where
the next one begins.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row, Update, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from cluster.blobs.files import TenantFiles
from cluster.runtime.background import acquire, run_to_end
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound, Problem
from cluster.storage.database import Database
from cluster.storage.pagination import is_id
from cluster.storage.tables import tenants, uploads
from deployments.video.uploads.part_stream import Checksum, PartSplitter
from deployments.video.uploads.upload import (
    OffsetMismatch,
    TooManyUploads,
    Upload,
    UploadGone,
    UploadLock,
    UploadLocked,
    UploadNotFound,
    UploadState,
    new_id,
)

LIFE_S = 2 * 86_400.0
LOCK_S = 60.0
PART_BYTES = 32 << 20  # a killed server loses less than this of a request
MAX_OPEN = 100  # of one tenant
SWEEP_ROWS = 200
GRACE_S = 86_400.0  # between the expiry of an upload (410) and the deletion of its row
OCTETS = "application/octet-stream"


class UploadStore:
    """Methods that take a connection write in its transaction; the others have their own."""

    def __init__(
        self,
        database: Database,
        files: TenantFiles,
        clock: Clock,
        *,
        part_bytes: int = PART_BYTES,
        max_open: int = MAX_OPEN,
    ) -> None:
        self._database = database
        self._files = files
        self._clock = clock
        self._part_bytes = part_bytes
        self._max_open = max_open

    async def create(
        self, tenant: str, key: str, name: str, length: int, metadata: str = ""
    ) -> Upload:
        """`length` is in bytes. Raises TooManyUploads."""
        now = self._clock.wall()
        upload = Upload(
            new_id(), tenant, key, name, length, 0, metadata, "open", None, None, now, now + LIFE_S,
        )  # fmt: skip

        async def insert_row() -> Upload:
            async with self._database.begin() as connection:
                await self._check_open(connection, tenant, now)
                await connection.execute(insert(uploads).values(_values(upload)))
            return upload

        return await acquire(insert_row(), lambda upload: self.delete(tenant, upload.id))

    async def get(self, tenant: str, id_: str) -> Upload:
        """Raises UploadNotFound."""
        async with self._database.read() as connection:
            return _upload(await _find(connection, tenant, id_))

    async def get_active(self, tenant: str, id_: str) -> Upload:
        """Raises UploadNotFound, UploadGone."""
        upload = await self.get(tenant, id_)
        self._check_active(upload)
        return upload

    @asynccontextmanager
    async def lock(self, tenant: str, id_: str, offset: int) -> AsyncIterator[UploadLock]:
        """The right to append at `offset`, for the length of the block.

        Raises UploadNotFound, UploadGone, OffsetMismatch, UploadLocked.
        """
        lock = UploadLock(await self.get_active(tenant, id_), secrets.token_hex(8))
        await acquire(self._acquire(lock, offset), lambda _: self._release(lock))
        renewer = asyncio.create_task(self._renew(lock))
        try:
            yield lock
        finally:
            renewer.cancel()
            with suppress(Problem):
                await run_to_end(self._release(lock))

    async def append(
        self, lock: UploadLock, chunks: AsyncIterator[bytes], checksum: Checksum | None = None
    ) -> Upload:
        """Stores the chunks, part by part; with a checksum all of them or none.

        Raises UploadTooLong, ChecksumMismatch, UploadLocked (the lock was lost), and as the chunks
        and TenantFiles.put do; stored parts stay stored.
        """
        upload = lock.upload
        parts = PartSplitter(chunks, upload.length - upload.received, self._part_bytes, checksum)
        while await parts.has_next():
            await self._store_part(lock, parts)
        parts.check()
        return lock.upload

    async def read(self, upload: Upload) -> AsyncIterator[bytes]:
        """All received bytes, in order."""
        offset = 0
        while offset < upload.received:
            part = await self._files.stat(upload.tenant, upload.part_path(offset))
            async for chunk in self._files.read(part):
                yield chunk
            offset += part.bytes

    async def complete(self, connection: AsyncConnection, lock: UploadLock, video: str) -> None:
        """Marks it done, as `video`, and deletes its parts. Raises UploadLocked."""
        await _change(connection, lock, state="done", video=video)
        await self._clear(connection, lock.upload)

    async def refuse(self, lock: UploadLock, problem: Mapping[str, Any]) -> None:
        """Marks it failed with `problem`, and deletes its parts."""
        details = {"metadata": lock.upload.metadata, "problem": dict(problem)}
        async with self._database.begin() as connection:
            await _change(connection, lock, state="failed", details=details)
            await self._clear(connection, lock.upload)

    async def delete(self, tenant: str, id_: str) -> None:
        """Deletes it and its parts; later writes are refused. Raises UploadNotFound."""
        async with self._database.begin() as connection:
            upload = _upload(await _find(connection, tenant, id_))
            await connection.execute(delete(uploads).where(*_same_upload(upload)))
            await self._clear(connection, upload)

    async def sweep(self) -> int:
        """Deletes uploads that expired GRACE_S ago; returns their number."""
        now = self._clock.wall()
        stale = or_(uploads.c.locked.is_(None), uploads.c.locked < now)
        query = select(uploads).where(uploads.c.expires < now - GRACE_S, stale).limit(SWEEP_ROWS)
        async with self._database.read() as connection:
            expired = [_upload(row) for row in await connection.execute(query)]
        for upload in expired:
            with suppress(UploadNotFound):
                await self.delete(upload.tenant, upload.id)
        return len(expired)

    async def _store_part(self, lock: UploadLock, parts: PartSplitter) -> None:
        """Stores one part; it is committed in the transaction that counts its bytes."""
        upload = lock.upload
        path, expires = upload.part_path(upload.received), upload.expires + GRACE_S
        staged = await self._files.stage(upload.tenant, path, parts.next_part(), OCTETS, expires)
        received = upload.received + staged.bytes
        state: UploadState = "finishing" if received == upload.length else "open"
        async with self._database.begin() as connection:
            await _change(connection, lock, received=received, state=state)
            await self._files.commit(staged, connection)
        lock.upload = replace(upload, received=received, state=state)

    async def _clear(self, connection: AsyncConnection, upload: Upload) -> None:
        await self._files.delete_under(upload.tenant, upload.folder, connection)

    def _check_active(self, upload: Upload) -> None:
        if upload.state == "failed":
            why = (upload.problem or {}).get("detail", "")
            raise UploadGone(upload.id, f"was refused: {why.rstrip('.')}")
        if upload.state != "done" and upload.expires < self._clock.wall():
            raise UploadGone(upload.id, "has expired")

    async def _check_open(self, connection: AsyncConnection, tenant: str, now: float) -> None:
        """Locks the tenant's row: two concurrent creates must not both pass the limit."""
        tenant_row = (
            select(tenants.c.id).where(tenants.c.id == tenant).with_for_update(key_share=True)
        )
        if (await connection.execute(tenant_row)).first() is None:
            raise NotFound(f"There is no tenant '{tenant}'.")
        open_uploads = (uploads.c.tenant == tenant, uploads.c.state.in_(("open", "finishing")))
        query = select(func.count()).where(*open_uploads, uploads.c.expires >= now)
        if (await connection.execute(query)).scalar_one() >= self._max_open:
            raise TooManyUploads(self._max_open)

    async def _acquire(self, lock: UploadLock, offset: int) -> None:
        upload, now = lock.upload, self._clock.wall()
        free = or_(uploads.c.holder.is_(None), uploads.c.locked < now)
        statement = (
            update(uploads)
            .where(*_same_upload(upload), uploads.c.received == offset, free)
            .values(holder=lock.holder, locked=now + LOCK_S)
        )
        async with self._database.begin() as connection:
            acquired = (await connection.execute(statement)).rowcount == 1
            lock.upload = _upload(await _find(connection, upload.tenant, upload.id))
        self._check_active(lock.upload)
        if acquired:
            return
        if lock.upload.received != offset:
            raise OffsetMismatch(offset, lock.upload.received)
        raise UploadLocked(upload.id)

    async def _renew(self, lock: UploadLock) -> None:
        while True:
            await asyncio.sleep(LOCK_S / 4)
            with suppress(Problem):
                async with self._database.begin() as connection:
                    await _change(connection, lock, locked=self._clock.wall() + LOCK_S)

    async def _release(self, lock: UploadLock) -> None:
        async with self._database.begin() as connection:
            await _change(connection, lock, holder=None, locked=None)


async def _change(connection: AsyncConnection, lock: UploadLock, **values: Any) -> None:
    """Raises UploadLocked if the lock was lost."""
    statement: Update = update(uploads).where(
        *_same_upload(lock.upload), uploads.c.holder == lock.holder
    )
    if (await connection.execute(statement.values(values))).rowcount != 1:
        raise UploadLocked(lock.upload.id)


async def _find(connection: AsyncConnection, tenant: str, id_: str) -> Row[Any]:
    query = select(uploads).where(uploads.c.tenant == tenant, uploads.c.id == id_)
    row = (await connection.execute(query)).first() if is_id(id_) else None
    if row is None:
        raise UploadNotFound(id_)
    return row


def _same_upload(upload: Upload) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return uploads.c.tenant == upload.tenant, uploads.c.id == upload.id


def _values(upload: Upload) -> dict[str, Any]:
    values = asdict(upload)
    details = {"metadata": values.pop("metadata")}
    del values["problem"]
    return values | {"details": details}


def _upload(row: Row[Any]) -> Upload:
    values = dict(row._mapping)
    details = values.pop("details")
    del values["holder"], values["locked"]
    return Upload(**values, metadata=details["metadata"], problem=details.get("problem"))
