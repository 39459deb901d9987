"""Vector stores in the ingress: changes of them, and the requests that their jobs make.

In: admitted requests. Out: vector stores over collections, whose files are documents. A file that
is taken out of a store takes its points with it, and its document if that was made for it alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.model import CollectionDraft, PointDraft
from cluster.runtime.problems import Conflict, NotFound
from cluster.tenants.caller import Caller, Priority, Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.jobs import Job, NewJob
from deployments.documents.index_stage import point_id
from deployments.ingress.authentication import authenticate_handle_call
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.documents import DocumentServices, require_documents
from deployments.ingress.operations.document_creation import default_embedder
from deployments.ingress.operations.documents import CreateDocument
from deployments.ingress.schemas.documents import DocumentCreate
from deployments.ingress.services import AppServices
from deployments.vector_stores.indexing import IndexStoreFilesHandler, StoreIndexParts
from deployments.vector_stores.model import (
    INDEX_FILES_JOB,
    FileBatch,
    NewStoreFile,
    StoreFile,
    VectorStore,
    point_payload,
)
from deployments.vector_stores.paging import PageWish
from deployments.vector_stores.passages import AttributeValue
from deployments.vector_stores.store import VectorStoreRepository

MAX_NAME = 200  # characters of a document's name
POINTS_AT_ONCE = 500  # rewritten in one transaction
FILES_AT_ONCE = 100  # taken out of a store that is deleted
_KEEP_S = 7 * 86_400.0  # a job, after its end

CallerOf = Callable[[str, str], Caller]


@dataclass(frozen=True, slots=True)
class NewVectorStore:
    """`keep_s`: it is deleted so long after its last use (None: it is not)."""

    name: str
    description: str
    attributes: Mapping[str, str]
    keep_s: float | None


class VectorStores:
    """Of the tenants of admitted requests. Raises DatabaseUnavailable."""

    def __init__(self, documents: DocumentServices) -> None:
        self.documents = documents
        self.database = documents.database
        self.repository = VectorStoreRepository(documents.clock)

    async def create(
        self, request: AdmittedRequest, new: NewVectorStore, files: Sequence[NewStoreFile]
    ) -> VectorStore:
        """Raises CollectionsFull, NotFound for a file that there is not."""
        documents, caller = self.documents, request.caller
        draft = CollectionDraft(
            model=default_embedder(documents, request),
            description=new.description,
            keep_s=new.keep_s,
        )
        async with self.database.begin() as connection:
            made = await documents.collections.collections.create(
                connection, caller.tenant, caller.key_id, draft
            )
            await self.repository.add(connection, caller.tenant, made.id, new.name, new.attributes)
            if files:
                await self._put(connection, request, made.id, files, None)
            store = await self.repository.get(connection, caller.tenant, made.id)
        documents.wake()
        return store

    async def get(self, tenant: str, id: str) -> VectorStore:
        async with self.database.read() as connection:
            return await self.repository.get(connection, tenant, id)

    async def change(
        self,
        tenant: str,
        id: str,
        columns: Mapping[str, object],
        collection: Mapping[str, float | None],
    ) -> VectorStore:
        """`columns` are the store's own, `collection` those of its collection."""
        async with self.database.begin() as connection:
            await self.repository.get(connection, tenant, id)
            await self.repository.change(connection, tenant, id, **columns)
            await self.documents.collections.collections.update(
                connection, tenant, id, **collection
            )
            return await self.repository.get(connection, tenant, id)

    async def delete(self, tenant: str, id: str) -> None:
        """Its files stay, its documents go if they were made for it alone. May be repeated."""
        while True:
            async with self.database.read() as connection:
                await self.repository.get(connection, tenant, id)
                wish = PageWish(FILES_AT_ONCE)
                files, _ = await self.repository.files(connection, tenant, id, wish)
            if not files:
                break
            for file in files:
                await self._take_out(file)
        async with self.database.begin() as connection:
            await self.documents.collections.collections.delete(connection, tenant, id)

    async def put(
        self, request: AdmittedRequest, store: str, files: Sequence[NewStoreFile]
    ) -> list[StoreFile]:
        """Files that are in the store already begin anew. Raises NotFound, VectorStoreFull."""
        tenant = request.caller.tenant
        await self._begin_anew(tenant, store, files)
        async with self.database.begin() as connection:
            await self._put(connection, request, store, files, None)
            found = [
                await self.repository.file(connection, tenant, store, each.file) for each in files
            ]
        self.documents.wake()
        return found

    async def put_batch(
        self, request: AdmittedRequest, store: str, files: Sequence[NewStoreFile]
    ) -> FileBatch:
        """The same, together."""
        tenant = request.caller.tenant
        await self._begin_anew(tenant, store, files)
        async with self.database.begin() as connection:
            batch = await self.repository.add_batch(connection, tenant, store)
            await self._put(connection, request, store, files, batch)
            made = await self.repository.batch(connection, tenant, store, batch)
        self.documents.wake()
        return made

    async def cancel_batch(self, tenant: str, store: str, batch: str) -> FileBatch:
        """What is searched already stays."""
        async with self.database.begin() as connection:
            await self.repository.batch(connection, tenant, store, batch)
            await self.repository.cancel_batch(connection, tenant, batch)
        while True:
            async with self.database.read() as connection:
                files, more = await self.repository.files(
                    connection,
                    tenant,
                    store,
                    PageWish(FILES_AT_ONCE),
                    batch=batch,
                    status="in_progress",
                )
            for file in files:
                await self._cancel(file)
            if not more:
                break
        async with self.database.read() as connection:
            return await self.repository.batch(connection, tenant, store, batch)

    async def remove(self, tenant: str, store: str, file: str) -> None:
        """Once it is answered, no search finds the file. Raises NotFound."""
        async with self.database.read() as connection:
            await self.repository.get(connection, tenant, store)
            found = await self.repository.file(connection, tenant, store, file)
        await self._take_out(found)

    async def set_attributes(
        self, tenant: str, store: str, file: str, attributes: Mapping[str, AttributeValue]
    ) -> StoreFile:
        """Filters of later searches see them. Raises NotFound, Conflict while it is processed."""
        async with self.database.begin() as connection:
            await self.repository.get(connection, tenant, store)
            found = await self.repository.file(connection, tenant, store, file, lock=True)
            if found.status == "in_progress":
                raise Conflict(f"File '{file[:64]}' is being processed; try again when it is done.")
            await self.repository.set_file(
                connection, tenant, store, file, attributes=dict(attributes)
            )
            changed = replace(found, attributes=attributes)
        if found.document is not None and found.status == "completed":
            await self._rewrite(changed, found.document)
        return changed

    async def _put(
        self,
        connection: AsyncConnection,
        request: AdmittedRequest,
        store: str,
        files: Sequence[NewStoreFile],
        batch: str | None,
    ) -> None:
        documents, caller = self.documents, request.caller
        known = await documents.files.many_in(
            connection, caller.tenant, [each.file for each in files]
        )
        for each in files:
            if each.file not in known:
                raise NotFound(f"There is no file '{each.file[:64]}'.", param="file_id")
        job = await documents.jobs.create(
            connection,
            NewJob(
                tenant=caller.tenant,
                kind=INDEX_FILES_JOB,
                key=caller.key_id,
                spec={"store": store, "files": len(files)},
                subject=store,
                cost=len(files),
                weight=caller.weight,
                priority=request.priority,
                keep_s=_KEEP_S,
                request_id=request.request_id,
                trace=request.traceparent,
            ),
        )
        named = [replace(each, name=known[each.file].name) for each in files]
        await self.repository.put(
            connection, caller.tenant, caller.key_id, store, named, job.id, batch
        )

    async def _begin_anew(self, tenant: str, store: str, files: Sequence[NewStoreFile]) -> None:
        """Take those out that are there already."""
        async with self.database.read() as connection:
            await self.repository.get(connection, tenant, store)
            old = await self.repository.present(
                connection, tenant, store, [each.file for each in files]
            )
        for file in old:
            await self._take_out(file)

    async def _cancel(self, file: StoreFile) -> None:
        place = file.tenant, file.store, file.file
        async with self.database.begin() as connection:
            current = await self.repository.file(connection, *place, lock=True)
            if current.status != "in_progress":
                return
            await self.repository.set_file(connection, *place, state="cancelled")
        await self._take_points(current)

    async def _take_out(self, file: StoreFile) -> None:
        place = file.tenant, file.store, file.file
        async with self.database.begin() as connection:
            current = await self.repository.file(connection, *place, lock=True)
            await self.repository.remove_file(connection, *place)
        await self._take_points(current)

    async def _take_points(self, file: StoreFile) -> None:
        """Unless another file of the store has the same bytes: then they are that one's."""
        if file.document is None:
            return
        async with self.database.read() as connection:
            same = await self.repository.with_document(connection, file.tenant, file.document)
        others = [each for each in same if (each.store, each.file) != (file.store, file.file)]
        heirs = [each for each in others if each.store == file.store]
        if heirs:
            await self._rewrite(heirs[0], file.document)
            return
        remover = self.documents.remover
        try:
            await remover.remove_from(file.tenant, file.document, file.store)
            async with self.database.read() as connection:
                places = await self.documents.store.places(connection, file.tenant, file.document)
            if file.owns_document and not places and not others:
                await remover.remove(file.tenant, file.document)
        except NotFound:  # the document was deleted by itself
            return

    async def _rewrite(self, file: StoreFile, document: str) -> None:
        """Its points say from now on what they say of `file`."""
        documents, tenant = self.documents, file.tenant
        payload = point_payload(file.name, file.file, file.attributes)
        async with self.database.begin() as connection:
            options = {**file.chunking.options(), "payload": payload}
            await self.repository.set_options(connection, tenant, document, file.store, options)
            places = await documents.store.places(connection, tenant, document)
        count = next((each.points for each in places if each.collection == file.store), 0)
        for first in range(0, count, POINTS_AT_ONCE):
            after = point_id(document, first - 1) if first else f"{document}:"
            async with self.database.begin() as connection:
                collection = await documents.collections.collections.get(
                    connection, tenant, file.store, lock=True
                )
                limit = min(POINTS_AT_ONCE, count - first)
                page = await documents.collections.points.list(
                    connection, tenant, collection, limit, after
                )
                drafts = [
                    PointDraft(point.id, point.text, {**point.payload, **payload}, point.vector)
                    for point in page.items
                    if point.id.startswith(f"{document}:")
                ]
                if drafts:
                    await documents.collections.points.upsert(
                        connection, tenant, collection, drafts
                    )


def vector_stores_of(services: AppServices) -> VectorStores:
    """Raises DatabaseUnavailable where there is no store."""
    return VectorStores(require_documents(services.documents))


class OwnersFileDocuments:
    """Implements FileDocuments over the services of this process. `caller_of` a tenant and the id
    of a key or a user gives whom it stands for now, or raises Unauthenticated or Forbidden."""

    def __init__(self, services: AppServices, caller_of: CallerOf) -> None:
        self._services = services
        self._caller_of = caller_of

    async def document_of(self, job: Job, file: StoreFile) -> tuple[str, bool]:
        services = self._services
        context = authenticate_handle_call(
            services,
            self._caller_of(job.tenant, job.key),
            f"{job.id}-{file.file[-24:]}",
            services.settings.max_timeout_s,
            RequestClass.MEDIA,
            Priority.BATCH,
        )
        name = file.name[:MAX_NAME].strip() or "file"
        body = DocumentCreate(file_id=file.file, name=name, index=False)
        operation = CreateDocument(services.documents)
        async with services.admission.admitted(
            context,
            RequestClass.MEDIA,
            "create_document",
            f"job:{job.id}",
            Scope.DOCUMENTS_WRITE,
        ) as admitted:
            answer = await operation.answer(admitted, body)
        return str(answer["id"]), operation.was_known


def index_files_handler(services: AppServices, caller_of: CallerOf) -> IndexStoreFilesHandler:
    documents = require_documents(services.documents)
    return IndexStoreFilesHandler(
        StoreIndexParts(
            database=documents.database,
            stores=VectorStoreRepository(documents.clock),
            documents=documents.store,
            remover=documents.remover,
            jobs=documents.jobs,
            calls=OwnersFileDocuments(services, caller_of),
            wake=documents.wake,
        )
    )
