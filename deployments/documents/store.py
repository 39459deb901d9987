"""SQL of documents, their blocks and chunks, and of where these are indexed.

Methods take the caller's connection first and never commit; NotFound for another tenant's document
as for an unknown one. Knows no HTTP and no files.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.storage.pagination import Page, decode_cursor, encode_cursor, is_id
from cluster.storage.tables import document_blocks as blocks
from cluster.storage.tables import document_chunks as chunks
from cluster.storage.tables import document_places as places
from cluster.storage.tables import documents, job_checkpoints, jobs
from deployments.contracts.documents import DOCUMENT_JOB, DocumentBlock
from deployments.documents.model import (
    DocumentPlace,
    DocumentQuota,
    DocumentQuotaExceeded,
    DocumentState,
    NewPlace,
    StoredBlock,
    StoredChunk,
    TenantDocument,
    no_document,
)

KNOWN = "known"  # a job's checkpoint: its document has given way to another
AT_ONCE = 500  # rows of one statement
_UNFINISHED = ("reading", "readable")
_ENDED_BADLY = ("failed", "canceled")
_CANCELED = {
    "slug": "document-canceled",
    "title": "The work on the document has ended",
    "status": 409,
    "detail": "Its job was cancelled, or is gone.",
}


class DocumentStore:
    """Of every tenant."""

    def __init__(self, clock: Clock, quota: DocumentQuota | None = None) -> None:
        self._clock = clock
        self._quota = quota or DocumentQuota()

    async def add(self, connection: AsyncConnection, document: TenantDocument) -> None:
        """Raises DocumentQuotaExceeded."""
        await self.check_room(connection, document.tenant)
        row = asdict(document) | {"notes": list(document.notes)}
        await connection.execute(insert(documents).values(row))

    async def check_room(
        self, connection: AsyncConnection, tenant: str, characters: int = 0
    ) -> None:
        """Whether there may be one more, or `characters` more of text. Raises
        DocumentQuotaExceeded."""
        query = select(func.count(), func.coalesce(func.sum(documents.c.characters), 0))
        count, used = (await connection.execute(query.where(documents.c.tenant == tenant))).one()
        if not characters and count >= self._quota.documents:
            raise DocumentQuotaExceeded("documents", self._quota.documents)
        if used + characters > self._quota.characters:
            raise DocumentQuotaExceeded("characters", self._quota.characters)

    async def get(
        self, connection: AsyncConnection, tenant: str, id: str, *, lock: bool = False
    ) -> TenantDocument:
        """Raises NotFound."""
        query = _selected().where(_is(tenant, id))
        if lock:
            query = query.with_for_update(of=documents)
        row = (await connection.execute(query)).first() if is_id(id) else None
        if row is not None:
            return _document(row)
        other = await self._other(connection, tenant, id)
        if other is None:
            raise no_document(id)
        return await self.get(connection, tenant, other, lock=lock)

    async def _other(self, connection: AsyncConnection, tenant: str, id: str) -> str | None:
        """The document that was found to have the same bytes when this one's URL was fetched."""
        if not is_id(id):
            return None
        same = and_(jobs.c.tenant == tenant, jobs.c.kind == DOCUMENT_JOB, jobs.c.subject == id)
        known = and_(job_checkpoints.c.job == jobs.c.id, job_checkpoints.c.name == KNOWN)
        query = select(jobs.c.result, job_checkpoints.c.data).where(same)
        joined = query.select_from(jobs.outerjoin(job_checkpoints, known))
        for row in await connection.execute(joined):
            other = (row.data or row.result).get("document", id)
            if other != id:
                return str(other)
        return None

    async def find(
        self, connection: AsyncConnection, tenant: str, sha256: str
    ) -> TenantDocument | None:
        """The document of these bytes."""
        same = and_(documents.c.tenant == tenant, documents.c.sha256 == sha256)
        row = (await connection.execute(_selected().where(same))).first()
        return None if row is None else _document(row)

    async def page(
        self,
        connection: AsyncConnection,
        tenant: str,
        *,
        state: DocumentState | None,
        limit: int,
        cursor: str | None,
    ) -> Page[TenantDocument]:
        """Newest first. Raises InvalidRequest (cursor)."""
        query = _selected().where(documents.c.tenant == tenant)
        if state is not None:
            query = query.where(_state_is(state))
        if cursor is not None:
            at, id = decode_cursor(cursor)
            created = documents.c.created
            query = query.where(or_(created < at, and_(created == at, documents.c.id < id)))
        order = documents.c.created.desc(), documents.c.id.desc()
        found = (await connection.execute(query.order_by(*order).limit(limit + 1))).all()
        items = tuple(map(_document, found[:limit]))
        after = encode_cursor(items[-1].created, items[-1].id) if len(found) > limit else None
        return Page(items, after)

    async def change(
        self, connection: AsyncConnection, tenant: str, id: str, **values: Any
    ) -> None:
        """Sets columns. Raises NotFound."""
        values["updated"] = self._clock.wall()
        changed = await connection.execute(update(documents).where(_is(tenant, id)).values(values))
        if changed.rowcount != 1:
            raise no_document(id)

    async def delete(self, connection: AsyncConnection, tenant: str, id: str) -> None:
        """With its blocks and chunks. Raises NotFound."""
        for table in (places, chunks, blocks):
            mine = and_(table.c.tenant == tenant, table.c.document == id)
            await connection.execute(delete(table).where(mine))
        gone = await connection.execute(delete(documents).where(_is(tenant, id)))
        if gone.rowcount != 1:
            raise no_document(id)

    async def add_blocks(
        self,
        connection: AsyncConnection,
        tenant: str,
        document: str,
        first: int,
        found: Sequence[DocumentBlock],
    ) -> None:
        """The next blocks; the first of them is number `first`."""
        rows = [
            {
                "document": document,
                "number": first + at,
                "tenant": tenant,
                "page": block.page,
                "kind": block.kind,
                "level": block.level,
                "text": block.text,
                "box": list(block.box),
            }
            for at, block in enumerate(found)
        ]
        await _insert(connection, blocks, rows)

    async def blocks(
        self,
        connection: AsyncConnection,
        tenant: str,
        document: str,
        *,
        after: int = -1,
        limit: int | None = None,
        numbers: Collection[int] | None = None,
    ) -> tuple[StoredBlock, ...]:
        """In order, from the one after `after`; of `numbers` only those."""
        query = select(blocks).where(*_of(blocks, tenant, document), blocks.c.number > after)
        if numbers is not None:
            query = query.where(blocks.c.number.in_(numbers))
        rows = await connection.execute(query.order_by(blocks.c.number).limit(limit))
        return tuple(
            StoredBlock(row.number, row.page, row.kind, row.text, row.level, tuple(row.box))
            for row in rows
        )

    async def replace_chunks(
        self, connection: AsyncConnection, tenant: str, document: str, found: Iterable[StoredChunk]
    ) -> None:
        await connection.execute(delete(chunks).where(*_of(chunks, tenant, document)))
        rows = [{"document": document, "tenant": tenant, **asdict(chunk)} for chunk in found]
        await _insert(connection, chunks, rows)

    async def chunks(
        self,
        connection: AsyncConnection,
        tenant: str,
        document: str,
        *,
        after: int = -1,
        limit: int | None = None,
    ) -> tuple[StoredChunk, ...]:
        query = select(chunks).where(*_of(chunks, tenant, document), chunks.c.number > after)
        rows = await connection.execute(query.order_by(chunks.c.number).limit(limit))
        return tuple(_chunk(row) for row in rows)

    async def place(
        self, connection: AsyncConnection, tenant: str, document: str, place: NewPlace
    ) -> None:
        """The document is to be in the collection; one that is there already stays as it is."""
        here = (*_of(places, tenant, document), places.c.collection == place.collection)
        if (await connection.execute(select(places.c.state).where(*here))).first() is None:
            row = {"document": document, "tenant": tenant, **asdict(place)}
            row |= {"state": "waiting", "points": 0, "updated": self._clock.wall()}
            await connection.execute(insert(places).values(row))

    async def set_place(
        self, connection: AsyncConnection, tenant: str, document: str, place: DocumentPlace
    ) -> None:
        """Raises NotFound where the document was deleted, or taken out of the collection."""
        here = (*_of(places, tenant, document), places.c.collection == place.collection)
        values = {"state": place.state, "points": place.points, "updated": self._clock.wall()}
        changed = await connection.execute(update(places).where(*here).values(values))
        if changed.rowcount != 1:
            raise no_document(document)

    async def places(
        self, connection: AsyncConnection, tenant: str, document: str, *, lock: bool = False
    ) -> tuple[DocumentPlace, ...]:
        """The collections that the document is in, or will be."""
        query = select(places).where(*_of(places, tenant, document))
        if lock:
            query = query.with_for_update()
        rows = await connection.execute(query.order_by(places.c.collection))
        return tuple(_place(row) for row in rows)

    async def remove_place(
        self, connection: AsyncConnection, tenant: str, document: str, collection: str
    ) -> None:
        here = (*_of(places, tenant, document), places.c.collection == collection)
        await connection.execute(delete(places).where(*here))

    async def unindexed(
        self, connection: AsyncConnection, tenant: str, ids: Collection[str], collection: str
    ) -> list[TenantDocument]:
        """Those of the documents that are not in the collection yet. Raises NotFound for one that
        there is not."""
        known = {each.id: each for each in await self.many(connection, tenant, ids)}
        for id in ids:
            if id not in known:
                raise no_document(id)
        here = and_(places.c.tenant == tenant, places.c.collection == collection)
        query = select(places.c.document).where(
            here, places.c.document.in_(ids), places.c.state == "indexed"
        )
        done = set((await connection.execute(query)).scalars())
        return [document for id, document in known.items() if id not in done]

    async def many(
        self, connection: AsyncConnection, tenant: str, ids: Collection[str]
    ) -> tuple[TenantDocument, ...]:
        """Those that there are, by id."""
        wanted = [id for id in ids if is_id(id)]
        query = _selected().where(documents.c.tenant == tenant, documents.c.id.in_(wanted))
        return tuple(map(_document, await connection.execute(query.order_by(documents.c.id))))


async def _insert(connection: AsyncConnection, table: Any, rows: list[dict[str, Any]]) -> None:
    for at in range(0, len(rows), AT_ONCE):
        await connection.execute(insert(table), rows[at : at + AT_ONCE])


def _is(tenant: str, id: str) -> ColumnElement[bool]:
    return and_(documents.c.tenant == tenant, documents.c.id == id)


def _of(table: Any, tenant: str, document: str) -> tuple[ColumnElement[bool], ...]:
    return table.c.tenant == tenant, table.c.document == document


def _selected() -> Select[Any]:
    """Documents with what has become of their jobs."""
    ended = jobs.c.state.label("job_state"), jobs.c.problem.label("job_problem")
    joined = documents.outerjoin(jobs, jobs.c.id == documents.c.job)
    return select(documents, *ended).select_from(joined)


def _document(row: Row[Any]) -> TenantDocument:
    """A document that its job left unfinished has failed as the job did."""
    columns = dict(row._mapping)
    state, problem = columns.pop("job_state"), columns.pop("job_problem")
    is_over = columns["job"] is not None and (state is None or state in _ENDED_BADLY)
    if is_over and columns["state"] in _UNFINISHED:
        columns |= {"state": "failed", "problem": problem or dict(_CANCELED)}
    return TenantDocument(**columns)


def _place(row: Row[Any]) -> DocumentPlace:
    return DocumentPlace(row.collection, row.state, row.points, row.options)


def _state_is(state: DocumentState) -> ColumnElement[bool]:
    """As `_document` says what state a row is in."""
    unfinished = documents.c.state.in_(_UNFINISHED)
    is_over = and_(
        documents.c.job.is_not(None), or_(jobs.c.state.is_(None), jobs.c.state.in_(_ENDED_BADLY))
    )
    if state == "failed":
        return or_(documents.c.state == state, and_(unfinished, is_over))
    if state in _UNFINISHED:
        return and_(documents.c.state == state, not_(is_over))
    return documents.c.state == state


def _chunk(row: Row[Any]) -> StoredChunk:
    columns = row._mapping
    names = ("number", "page", "block", "start", "last_block", "end", "text", "heading")
    return StoredChunk(**{name: columns[name] for name in names})
