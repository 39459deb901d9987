"""SQL of vector stores, their files, and batches of these.

Methods take the caller's connection first and never commit; NotFound for another tenant's store as
for an unknown one. How a file stands is computed from its document and that document's place in the
collection, so nothing has to be kept in step.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.model import Collection
from cluster.collections.repository import COLUMNS
from cluster.runtime.clock import Clock
from cluster.storage.pagination import is_id
from cluster.storage.tables import (
    collections,
    document_places,
    documents,
    jobs,
    vector_store_batches,
    vector_store_files,
    vector_stores,
)
from deployments.vector_stores.model import (
    MAX_FILES,
    STATUSES,
    Chunking,
    FileBatch,
    FileStatus,
    NewStoreFile,
    StoreFile,
    VectorStore,
    VectorStoreFull,
    new_batch_id,
    no_file_batch,
    no_store,
    no_store_file,
)
from deployments.vector_stores.paging import PageWish, ordered_page

ROWS_AT_ONCE = 200
_S, _F, _B = vector_stores.c, vector_store_files.c, vector_store_batches.c
_P, _D = document_places.c, documents.c
_OWN_JOB = jobs.alias("own_job")
_GONE = {"code": "server_error", "message": "Its document was deleted."}
_STOPPED = {"code": "server_error", "message": "Its processing has ended early."}

# A place that waits, and whose document's last job has ended, is one that nobody fills.
_STATE: ColumnElement[str] = case(
    (_F.state != "active", _F.state),
    (and_(_F.document.is_(None), _OWN_JOB.c.id.is_not(None), _OWN_JOB.c.ended.is_(None)),
     "in_progress"),
    (_F.document.is_(None), "failed"),
    (_P.state == "indexed", "completed"),
    (or_(_P.state.is_(None), _D.id.is_(None), _D.state == "failed"), "failed"),
    (or_(jobs.c.id.is_(None), jobs.c.ended.is_not(None)), "failed"),
    else_="in_progress",
)  # fmt: skip
_STATUS = _STATE.label("status")
_JOINED = (
    vector_store_files.outerjoin(_OWN_JOB, _OWN_JOB.c.id == _F.job)
    .outerjoin(documents, _D.id == _F.document)
    .outerjoin(document_places, and_(_P.document == _F.document, _P.collection == _F.store))
    .outerjoin(jobs, jobs.c.id == _D.job)
)


class VectorStoreRepository:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def add(
        self,
        connection: AsyncConnection,
        tenant: str,
        id: str,
        name: str,
        attributes: Mapping[str, str],
    ) -> None:
        """Makes a vector store of the collection `id`."""
        row = {"id": id, "tenant": tenant, "name": name, "attributes": dict(attributes)}
        await connection.execute(insert(vector_stores).values(**row, created=self._clock.wall()))

    async def get(self, connection: AsyncConnection, tenant: str, id: str) -> VectorStore:
        """Raises NotFound."""
        query = _stores(tenant).where(_S.id == id)
        row = (await connection.execute(query)).first() if is_id(id) else None
        if row is None:
            raise no_store(id)
        counts = await self._counts(connection, tenant, _F.store, [id])
        return _store(row, counts[id])

    async def page(
        self, connection: AsyncConnection, tenant: str, wish: PageWish
    ) -> tuple[list[VectorStore], bool]:
        """Raises NotFound for an unknown `after` or `before`."""
        place = (_S.created, _S.id)
        rows, has_more = await ordered_page(
            connection, _stores(tenant), place, _S.id, wish, no_store
        )
        counts = await self._counts(connection, tenant, _F.store, [row.id for row in rows])
        return [_store(row, counts[row.id]) for row in rows], has_more

    async def change(
        self, connection: AsyncConnection, tenant: str, id: str, **values: Any
    ) -> None:
        """Of `name` and `attributes`. Raises NotFound."""
        mine = update(vector_stores).where(_S.tenant == tenant, _S.id == id)
        if values and (await connection.execute(mine.values(**values))).rowcount != 1:
            raise no_store(id)

    async def put(
        self,
        connection: AsyncConnection,
        tenant: str,
        key: str,
        store: str,
        files: Sequence[NewStoreFile],
        job: str,
        batch: str | None = None,
    ) -> None:
        """Files that `job` will make documents of. Those that are there already begin anew. Raises
        VectorStoreFull."""
        now = self._clock.wall()
        names = [each.file for each in files]
        for first in range(0, len(names), ROWS_AT_ONCE):
            old = _F.file.in_(names[first : first + ROWS_AT_ONCE])
            await connection.execute(delete(vector_store_files).where(_in(tenant, store), old))
        count = select(func.count()).where(_in(tenant, store))
        if (await connection.execute(count)).scalar_one() + len(files) > MAX_FILES:
            raise VectorStoreFull
        rows = [
            {
                "store": store,
                "file": each.file,
                "tenant": tenant,
                "name": each.name,
                "key": key,
                "state": "active",
                "owns_document": False,
                "batch": batch,
                "job": job,
                "attributes": dict(each.attributes),
                "chunking": each.chunking.to_json(),
                "created": now,
            }
            for each in files
        ]
        for first in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[first : first + ROWS_AT_ONCE]
            await connection.execute(insert(vector_store_files), part)

    async def file(
        self, connection: AsyncConnection, tenant: str, store: str, id: str, *, lock: bool = False
    ) -> StoreFile:
        """Raises NotFound. With `lock` nobody else changes it until the transaction ends."""
        if not is_id(id):
            raise no_store_file(id)
        query = _files(tenant, store).where(_F.file == id)
        if lock:
            mine = select(_F.file).where(_in(tenant, store), _F.file == id)
            await connection.execute(mine.with_for_update())
        row = (await connection.execute(query)).first()
        if row is None:
            raise no_store_file(id)
        return _file(row)

    async def files(
        self,
        connection: AsyncConnection,
        tenant: str,
        store: str,
        wish: PageWish,
        *,
        batch: str | None = None,
        status: FileStatus | None = None,
    ) -> tuple[list[StoreFile], bool]:
        """A page. Raises NotFound for an unknown `after` or `before`."""
        query = _files(tenant, store)
        if batch is not None:
            query = query.where(_F.batch == batch)
        if status is not None:
            query = query.where(_STATE.in_([status]))
        place = (_F.created, _F.file)
        rows, more = await ordered_page(connection, query, place, _F.file, wish, no_store_file)
        return [_file(row) for row in rows], more

    async def present(
        self, connection: AsyncConnection, tenant: str, store: str, ids: Sequence[str]
    ) -> list[StoreFile]:
        """Those of the files that the store has."""
        found: list[StoreFile] = []
        for first in range(0, len(ids), ROWS_AT_ONCE):
            some = _F.file.in_(ids[first : first + ROWS_AT_ONCE])
            rows = await connection.execute(_files(tenant, store).where(some))
            found += [_file(row) for row in rows]
        return found

    async def waiting(
        self, connection: AsyncConnection, tenant: str, store: str, job: str, limit: int
    ) -> list[StoreFile]:
        """Files that the job has to make documents of."""
        query = _files(tenant, store).where(
            _F.job == job, _F.document.is_(None), _F.state == "active"
        )
        rows = await connection.execute(query.order_by(_F.created, _F.file).limit(limit))
        return [_file(row) for row in rows]

    async def set_file(
        self, connection: AsyncConnection, tenant: str, store: str, file: str, **values: Any
    ) -> bool:
        """False: it is not there any more, or was cancelled."""
        mine = update(vector_store_files).where(
            _in(tenant, store), _F.file == file, _F.state == "active"
        )
        return (await connection.execute(mine.values(**values))).rowcount == 1

    async def set_options(
        self,
        connection: AsyncConnection,
        tenant: str,
        document: str,
        store: str,
        options: Mapping[str, Any],
    ) -> None:
        """Of the document's place in the store's collection."""
        mine = and_(_P.tenant == tenant, _P.document == document, _P.collection == store)
        await connection.execute(update(document_places).where(mine).values(options=dict(options)))

    async def remove_file(
        self, connection: AsyncConnection, tenant: str, store: str, file: str
    ) -> None:
        gone = delete(vector_store_files).where(_in(tenant, store), _F.file == file)
        await connection.execute(gone)

    async def with_document(
        self, connection: AsyncConnection, tenant: str, document: str, store: str | None = None
    ) -> list[StoreFile]:
        """Files of stores, or of one, that are this document."""
        query = select(*_FILE_COLUMNS).select_from(_JOINED)
        query = query.where(_F.tenant == tenant, _F.document == document)
        if store is not None:
            query = query.where(_F.store == store)
        rows = await connection.execute(query.order_by(_F.created, _F.file))
        return [_file(row) for row in rows]

    async def add_batch(self, connection: AsyncConnection, tenant: str, store: str) -> str:
        id, now = new_batch_id(), self._clock.wall()
        row = {"id": id, "store": store, "tenant": tenant, "cancelled": False, "created": now}
        await connection.execute(insert(vector_store_batches).values(**row))
        return id

    async def batch(
        self, connection: AsyncConnection, tenant: str, store: str, id: str
    ) -> FileBatch:
        """Raises NotFound."""
        mine = and_(_B.tenant == tenant, _B.store == store, _B.id == id)
        query = select(vector_store_batches).where(mine)
        row = (await connection.execute(query)).first() if is_id(id) else None
        if row is None:
            raise no_file_batch(id)
        counts = await self._counts(connection, tenant, _F.batch, [id])
        return FileBatch(row.id, row.store, row.cancelled, row.created, counts[id])

    async def cancel_batch(self, connection: AsyncConnection, tenant: str, id: str) -> None:
        mine = update(vector_store_batches).where(_B.tenant == tenant, _B.id == id)
        await connection.execute(mine.values(cancelled=True))

    async def _counts(
        self,
        connection: AsyncConnection,
        tenant: str,
        column: ColumnElement[Any],
        ids: Sequence[str],
    ) -> dict[str, dict[FileStatus, int]]:
        """How many files stand how, by store or batch."""
        found: dict[str, dict[FileStatus, int]] = {id: dict.fromkeys(STATUSES, 0) for id in ids}
        if not ids:
            return found
        files = select(column.label("of"), _STATUS).select_from(_JOINED)
        each = files.where(_F.tenant == tenant, column.in_(ids)).subquery()
        query = select(each.c.of, each.c.status, func.count().label("files"))
        for row in await connection.execute(query.group_by(each.c.of, each.c.status)):
            found[row.of][row.status] = int(row.files)
        return found


_FILE_COLUMNS = (
    *(column for column in vector_store_files.c if column.name not in ("state", "job")),
    _STATUS,
    _D.bytes.label("bytes"),
    _P.state.label("place_state"),
    _D.problem.label("document_problem"),
    jobs.c.problem.label("job_problem"),
    _OWN_JOB.c.problem.label("own_problem"),
)


def _stores(tenant: str) -> Select[Any]:
    table: Table = collections
    joined = vector_stores.join(table, table.c.id == _S.id)
    own = (
        _S.name.label("store_name"),
        _S.attributes.label("store_attributes"),
        _S.created.label("store_created"),
    )
    return select(*COLUMNS, *own).select_from(joined).where(_S.tenant == tenant)


def _files(tenant: str, store: str) -> Select[Any]:
    return select(*_FILE_COLUMNS).select_from(_JOINED).where(_in(tenant, store))


def _in(tenant: str, store: str) -> ColumnElement[bool]:
    return and_(_F.tenant == tenant, _F.store == store)


def _store(row: Row[Any], counts: Mapping[FileStatus, int]) -> VectorStore:
    columns = dict(row._mapping)
    name, attributes = columns.pop("store_name"), columns.pop("store_attributes")
    created = columns.pop("store_created")
    return VectorStore(Collection(**columns), name, attributes, created, counts)


def _file(row: Row[Any]) -> StoreFile:
    chunking = row.chunking or {}
    return StoreFile(
        store=row.store,
        file=row.file,
        tenant=row.tenant,
        name=row.name,
        key=row.key,
        status=row.status,
        document=row.document,
        owns_document=row.owns_document,
        batch=row.batch,
        attributes=row.attributes,
        chunking=Chunking(chunking.get("tokens"), chunking.get("overlap")),
        error=_error(row),
        bytes=(row.bytes or 0) if row.status == "completed" else 0,
        created=row.created,
    )


def _error(row: Row[Any]) -> Mapping[str, Any] | None:
    if row.status != "failed":
        return None
    if row.error is not None:
        return dict(row.error)
    if row.document is not None and row.place_state is None:
        return _GONE
    problem = row.document_problem or row.job_problem or row.own_problem
    if problem is None:
        return _STOPPED
    is_ours = int(problem.get("status", 500)) >= 500
    code = "server_error" if is_ours else "invalid_file"
    return {"code": code, "message": str(problem.get("detail", ""))[:1_000]}
