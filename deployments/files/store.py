"""Files of tenants: rows of `files`, and stored objects under `files/<id>/`, which are their bytes.

In: a tenant, bytes or an id. Out: files and bytes; NotFound for another tenant's file as
for an unknown or an expired one. A file that a batch writes grows by one object at a time.
"""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import Staged, TenantFiles
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, NotFound
from cluster.storage.database import Database
from cluster.storage.pagination import is_id
from cluster.storage.tables import files as rows
from cluster.storage.tables import jobs
from deployments.files.model import MAX_FILES, NewFile, TenantFile, TooManyFiles

IDS_AT_ONCE = 500  # of one statement

AlsoWrite = Callable[[AsyncConnection, TenantFile], Awaitable[None]]


class FileStore:
    """Raises DatabaseUnavailable, BlobStoreUnavailable. Whoever made `objects` starts and closes
    it."""

    def __init__(self, database: Database, objects: TenantFiles, clock: Clock) -> None:
        self._database = database
        self._objects = objects
        self._clock = clock

    async def receive(
        self, tenant: str, content: AsyncIterator[bytes], media_type: str, largest: int
    ) -> Staged:
        """Store bytes, at most `largest`, which are no file until they are added. Raises what
        TenantFiles.put raises; then nothing is stored."""
        path = object_path(new_file_id(), 0)
        return await self._objects.stage(tenant, path, content, media_type, None, largest=largest)

    async def add(self, staged: Staged, new: NewFile, also: AlsoWrite | None = None) -> TenantFile:
        """The file of received bytes; `also` writes in its transaction. Raises TooManyFiles."""
        file, now = staged.new.path.split("/")[1], self._clock.wall()
        expires = None if new.keep_s is None else now + new.keep_s
        staged = replace(staged, new=replace(staged.new, expires=expires))
        row = _row(file, new, staged.bytes, now, expires)
        async with self._database.begin() as connection:
            await self._make_room(connection, new.tenant, now)
            await self._objects.commit(staged, connection)
            await connection.execute(insert(rows).values(row))
            if also is not None:
                await also(connection, TenantFile(**row))
        return TenantFile(**row)

    async def discard(self, staged: Staged) -> None:
        """Delete received bytes that become no file."""
        await self._objects.discard(staged)

    async def stage(
        self, tenant: str, file: str, number: int, content: bytes, expires: float | None, kind: str
    ) -> Staged:
        """One object of a file that grows; `grow` makes it a part of it."""
        return await self._objects.stage(
            tenant, object_path(file, number), content, kind, expires, length=len(content)
        )

    async def grow(
        self,
        connection: AsyncConnection,
        file: str | None,
        staged: Staged,
        new: NewFile,
        job: str,
    ) -> str:
        """The id of the file that `staged` is now the last part of. `file` None: it begins one, by
        the id in its path."""
        await self._objects.commit(staged, connection)
        if file is not None:
            size = rows.c.bytes + staged.bytes
            grown = update(rows).where(_is(new.tenant, file)).values(bytes=size)
            await connection.execute(grown)
            return file
        now, id = self._clock.wall(), staged.new.path.split("/")[1]
        row = _row(id, new, staged.bytes, now, staged.new.expires) | {"job": job}
        await connection.execute(insert(rows).values(row))
        return id

    async def get(self, tenant: str, file: str) -> TenantFile:
        async with self._database.read() as connection:
            return await self.get_in(connection, tenant, file)

    async def get_in(self, connection: AsyncConnection, tenant: str, file: str) -> TenantFile:
        """The same within a transaction."""
        row = None
        if is_id(file):
            alive = and_(_is(tenant, file), self._unexpired())
            row = (await connection.execute(select(rows).where(alive))).first()
        if row is None:
            raise NotFound(f"There is no file '{file[:64]}'.", param="file")
        return TenantFile(**row._mapping)

    async def many_in(
        self, connection: AsyncConnection, tenant: str, ids: Sequence[str]
    ) -> dict[str, TenantFile]:
        """Those of the files that there are, by id."""
        wanted = [id for id in ids if is_id(id)]
        found: dict[str, TenantFile] = {}
        for first in range(0, len(wanted), IDS_AT_ONCE):
            some = rows.c.id.in_(wanted[first : first + IDS_AT_ONCE])
            alive = and_(rows.c.tenant == tenant, some, self._unexpired())
            for row in await connection.execute(select(rows).where(alive)):
                found[row.id] = TenantFile(**row._mapping)
        return found

    async def page(
        self,
        tenant: str,
        *,
        purpose: str | None,
        limit: int,
        after: str | None,
        newest_first: bool = True,
    ) -> tuple[tuple[TenantFile, ...], bool]:
        """Files after the one with the id `after`, and whether there are more. Raises NotFound for
        an unknown `after`."""
        query = select(rows).where(rows.c.tenant == tenant, self._unexpired())
        if purpose is not None:
            query = query.where(rows.c.purpose == purpose)
        async with self._database.read() as connection:
            if after is not None:
                last = await self.get_in(connection, tenant, after)
                query = query.where(_behind(last, newest_first=newest_first))
            order = [
                column.desc() if newest_first else column.asc()
                for column in (rows.c.created, rows.c.id)
            ]
            found = (await connection.execute(query.order_by(*order).limit(limit + 1))).all()
        return tuple(TenantFile(**row._mapping) for row in found[:limit]), len(found) > limit

    async def read(
        self, file: TenantFile, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `end` in blocks. Raises NotFound if it was deleted."""
        last = file.bytes if end is None else min(end, file.bytes)
        offset = 0
        for part in await self._objects.list_under(file.tenant, f"files/{file.id}"):
            begin, stop = max(start - offset, 0), min(last - offset, part.bytes)
            if begin < stop:
                async for block in self._objects.read(part, begin, stop):
                    yield block
            offset += part.bytes
        if offset < last:
            raise NotFound(f"There is no file '{file.id}'.", param="file")

    async def delete(self, tenant: str, file: str) -> None:
        """Raises NotFound, and Conflict while a batch writes it."""
        async with self._database.begin() as connection:
            found = await self.get_in(connection, tenant, file)
            writer = select(jobs.c.id).where(jobs.c.tenant == tenant, jobs.c.id == found.job)
            if (await connection.execute(writer.where(jobs.c.ended.is_(None)))).first() is not None:
                raise Conflict(f"Batch '{found.job}' writes this file; cancel it first.")
            await connection.execute(delete(rows).where(_is(tenant, file)))
            await self._objects.delete_under(tenant, f"files/{file}", connection)

    async def _make_room(self, connection: AsyncConnection, tenant: str, now: float) -> None:
        """Expired rows go; their objects have gone, or will, by themselves."""
        mine = rows.c.tenant == tenant
        await connection.execute(delete(rows).where(mine, rows.c.expires <= now))
        count = select(func.count()).select_from(rows).where(mine)
        if (await connection.execute(count)).scalar_one() >= MAX_FILES:
            raise TooManyFiles

    def _unexpired(self) -> ColumnElement[bool]:
        return or_(rows.c.expires.is_(None), rows.c.expires > self._clock.wall())


def object_path(file: str, number: int) -> str:
    """Numbers sort as texts do."""
    return f"files/{file}/{number:08d}"


def new_file_id() -> str:
    return f"file-{secrets.token_hex(12)}"


def _row(id: str, new: NewFile, size: int, created: float, expires: float | None) -> dict[str, Any]:
    return {
        "id": id,
        "tenant": new.tenant,
        "key": new.key,
        "purpose": new.purpose,
        "name": new.name,
        "media_type": new.media_type,
        "bytes": size,
        "job": None,
        "created": created,
        "expires": expires,
    }


def _is(tenant: str, file: str) -> ColumnElement[bool]:
    return and_(rows.c.tenant == tenant, rows.c.id == file)


def _behind(last: TenantFile, *, newest_first: bool) -> ColumnElement[bool]:
    created, id = rows.c.created, rows.c.id
    if newest_first:
        return or_(created < last.created, and_(created == last.created, id < last.id))
    return or_(created > last.created, and_(created == last.created, id > last.id))
