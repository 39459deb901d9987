"""Resumable uploads: their rows, who may write to one, and the pieces they came in.

    open --pieces--> finishing --admitted--> done
                         `-----refused-----> failed

Flows in: pieces in order. Flows out: `Upload` values, and at the end all bytes as one stream. One
request at a time holds an upload, by a lease in its row that it renews; every write names the
holder, so one that was thought dead changes nothing. A piece is the object `uploads/<id>/<offset>`,
named in the transaction that counts its bytes, so each piece ends where the next one begins.
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
SLICE_BYTES = 32 << 20  # what a killed server loses of a piece, at most
MAX_OPEN = 100  # of one tenant
SWEPT = 200
GRACE_S = 86_400.0  # an upload past its time is gone; so much later it is unknown
OCTETS = "application/octet-stream"


class UploadStore:
    """Methods that take a connection write in its transaction; the others have their own."""

    def __init__(
        self,
        database: Database,
        files: TenantFiles,
        clock: Clock,
        *,
        slice_bytes: int = SLICE_BYTES,
        max_open: int = MAX_OPEN,
    ) -> None:
        self._database = database
        self._files = files
        self._clock = clock
        self._slice_bytes = slice_bytes
        self._max_open = max_open

    async def create(
        self, tenant: str, key: str, name: str, length: int, metadata: str = ""
    ) -> Upload:
        """`length` is in bytes. Raises TooManyUploads."""
        now = self._clock.wall()
        made = Upload(
            new_id(), tenant, key, name, length, 0, metadata, "open", None, None, now, now + LIFE_S,
        )  # fmt: skip

        async def insert_row() -> Upload:
            async with self._database.begin() as connection:
                await self._check_open(connection, tenant, now)
                await connection.execute(insert(uploads).values(_values(made)))
            return made

        return await acquire(insert_row(), lambda made: self.delete(tenant, made.id))

    async def get(self, tenant: str, id_: str) -> Upload:
        """Raises NoSuchUpload."""
        async with self._database.read() as connection:
            return _upload(await _find(connection, tenant, id_))

    async def get_active(self, tenant: str, id_: str) -> Upload:
        """Raises NoSuchUpload, UploadGone."""
        found = await self.get(tenant, id_)
        self._check_usable(found)
        return found

    @asynccontextmanager
    async def lock(self, tenant: str, id_: str, offset: int) -> AsyncIterator[UploadLock]:
        """The right to go on at `offset`, for the length of the block.

        Raises NoSuchUpload, UploadGone, OffsetMismatch, UploadLocked.
        """
        hold = UploadLock(await self.get_active(tenant, id_), secrets.token_hex(8))
        await acquire(self._take(hold, offset), lambda _: self._release(hold))
        renewing = asyncio.create_task(self._renew(hold))
        try:
            yield hold
        finally:
            renewing.cancel()
            with suppress(Problem):
                await run_to_end(self._release(hold))

    async def append(
        self, hold: UploadLock, chunks: AsyncIterator[bytes], checksum: Checksum | None = None
    ) -> Upload:
        """Keep what comes, slice by slice; with a checksum all of it or nothing.

        Raises OverLength, ChecksumMismatch, UploadLocked (the hold was lost), and as the chunks and
        TenantFiles.put do; slices that were kept stay kept.
        """
        upload = hold.upload
        slices = PartSplitter(chunks, upload.length - upload.received, self._slice_bytes, checksum)
        while await slices.has_next():
            await self._keep(hold, slices)
        slices.check()
        return hold.upload

    async def read(self, upload: Upload) -> AsyncIterator[bytes]:
        """Everything that has come, in order."""
        at = 0
        while at < upload.received:
            piece = await self._files.stat(upload.tenant, upload.piece(at))
            async for chunk in self._files.read(piece):
                yield chunk
            at += piece.bytes

    async def done(self, connection: AsyncConnection, hold: UploadLock, video: str) -> None:
        """It has become `video`; its pieces go. Raises UploadLocked when the hold was lost."""
        await _change(connection, hold, state="done", video=video)
        await self._clear(connection, hold.upload)

    async def refuse(self, hold: UploadLock, said: Mapping[str, Any]) -> None:
        """What came is no video, for good: `said` is the problem. Its pieces go."""
        details = {"metadata": hold.upload.metadata, "problem": dict(said)}
        async with self._database.begin() as connection:
            await _change(connection, hold, state="failed", details=details)
            await self._clear(connection, hold.upload)

    async def delete(self, tenant: str, id_: str) -> None:
        """With its pieces; whoever writes to it is refused from now on. Raises NoSuchUpload."""
        async with self._database.begin() as connection:
            found = _upload(await _find(connection, tenant, id_))
            await connection.execute(delete(uploads).where(*_mine(found)))
            await self._clear(connection, found)

    async def sweep(self) -> int:
        """Forget uploads that are long past their time; returns how many."""
        now = self._clock.wall()
        stale = or_(uploads.c.locked.is_(None), uploads.c.locked < now)
        query = select(uploads).where(uploads.c.expires < now - GRACE_S, stale).limit(SWEPT)
        async with self._database.read() as connection:
            past = [_upload(row) for row in await connection.execute(query)]
        for upload in past:
            with suppress(UploadNotFound):
                await self.delete(upload.tenant, upload.id)
        return len(past)

    async def _keep(self, hold: UploadLock, slices: PartSplitter) -> None:
        """Store one slice; it gets its name in the transaction that counts it, or never."""
        upload = hold.upload
        path, expires = upload.piece(upload.received), upload.expires + GRACE_S
        staged = await self._files.stage(upload.tenant, path, slices.slice(), OCTETS, expires)
        received = upload.received + staged.bytes
        state: UploadState = "finishing" if received == upload.length else "open"
        async with self._database.begin() as connection:
            await _change(connection, hold, received=received, state=state)
            await self._files.commit(staged, connection)
        hold.upload = replace(upload, received=received, state=state)

    async def _clear(self, connection: AsyncConnection, upload: Upload) -> None:
        await self._files.delete_under(upload.tenant, upload.folder, connection)

    def _check_usable(self, upload: Upload) -> None:
        if upload.state == "failed":
            why = (upload.problem or {}).get("detail", "")
            raise UploadGone(upload.id, f"was refused: {why.rstrip('.')}")
        if upload.state != "done" and upload.expires < self._clock.wall():
            raise UploadGone(upload.id, "has expired")

    async def _check_open(self, connection: AsyncConnection, tenant: str, now: float) -> None:
        """Two creates at once must not both take the last place."""
        held = select(tenants.c.id).where(tenants.c.id == tenant).with_for_update(key_share=True)
        if (await connection.execute(held)).first() is None:
            raise NotFound(f"There is no tenant '{tenant}'.")
        mine = (uploads.c.tenant == tenant, uploads.c.state.in_(("open", "finishing")))
        query = select(func.count()).where(*mine, uploads.c.expires >= now)
        if (await connection.execute(query)).scalar_one() >= self._max_open:
            raise TooManyUploads(self._max_open)

    async def _take(self, hold: UploadLock, offset: int) -> None:
        upload, now = hold.upload, self._clock.wall()
        free = or_(uploads.c.holder.is_(None), uploads.c.locked < now)
        taking = (
            update(uploads)
            .where(*_mine(upload), uploads.c.received == offset, free)
            .values(holder=hold.holder, locked=now + LOCK_S)
        )
        async with self._database.begin() as connection:
            taken = (await connection.execute(taking)).rowcount == 1
            hold.upload = _upload(await _find(connection, upload.tenant, upload.id))
        self._check_usable(hold.upload)
        if taken:
            return
        if hold.upload.received != offset:
            raise OffsetMismatch(offset, hold.upload.received)
        raise UploadLocked(upload.id)

    async def _renew(self, hold: UploadLock) -> None:
        while True:
            await asyncio.sleep(LOCK_S / 4)
            with suppress(Problem):
                async with self._database.begin() as connection:
                    await _change(connection, hold, locked=self._clock.wall() + LOCK_S)

    async def _release(self, hold: UploadLock) -> None:
        async with self._database.begin() as connection:
            await _change(connection, hold, holder=None, locked=None)


async def _change(connection: AsyncConnection, hold: UploadLock, **values: Any) -> None:
    """Raises UploadLocked when the hold was lost."""
    changing: Update = update(uploads).where(*_mine(hold.upload), uploads.c.holder == hold.holder)
    if (await connection.execute(changing.values(values))).rowcount != 1:
        raise UploadLocked(hold.upload.id)


async def _find(connection: AsyncConnection, tenant: str, id_: str) -> Row[Any]:
    query = select(uploads).where(uploads.c.tenant == tenant, uploads.c.id == id_)
    row = (await connection.execute(query)).first() if is_id(id_) else None
    if row is None:
        raise UploadNotFound(id_)
    return row


def _mine(upload: Upload) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
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
