"""The making of a document: known, read at once, or ordered from a job.

In: an admitted request, and where the document's bytes are. Out: the document as it is answered,
and its job, in one transaction.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.model import Collection, CollectionDraft
from cluster.runtime.problems import Conflict, DeadlineExceeded, NotFound
from cluster.tenants.units import UsageAmounts
from deployments.contracts.documents import DOCUMENT_JOB, ReadDocumentRequest
from deployments.contracts.jobs import Job, NewJob
from deployments.documents.chunking import chunk_blocks
from deployments.documents.job import KEEP_S
from deployments.documents.job_spec import DocumentJobSpec, seal_password
from deployments.documents.model import (
    DEFAULT_COLLECTION,
    DocumentPlace,
    NewPlace,
    StoredBlock,
    StoredChunk,
    TenantDocument,
    new_document_id,
)
from deployments.documents.read_stage import facts_columns
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.documents import SMALL_BYTES, SMALL_PAGES, SMALL_S, DocumentServices
from deployments.ingress.pipeline.document_pipeline import ReadDocument, TooLongToWait
from deployments.ingress.schemas.documents import DocumentCreate


async def default_collection(documents: DocumentServices, request: AdmittedRequest) -> Collection:
    """The collection of documents that name none; it is made when it is needed first."""
    caller, repository = request.caller, documents.collections.collections
    async with documents.database.read() as connection:
        try:
            return await repository.get(connection, caller.tenant, DEFAULT_COLLECTION)
        except NotFound:
            model = default_embedder(documents, request)
    draft = CollectionDraft(DEFAULT_COLLECTION, model, description="Documents.")
    try:
        async with documents.database.begin() as connection:
            return await repository.create(connection, caller.tenant, caller.key_id, draft)
    except Conflict as problem:
        if problem.param != "name":
            raise
    async with documents.database.read() as connection:
        return await repository.get(connection, caller.tenant, DEFAULT_COLLECTION)


def default_embedder(documents: DocumentServices, request: AdmittedRequest) -> str:
    """The id of the embedding model that the tenant's, or the operator's, settings name, else the
    first that the caller may use; empty: there is none, and words alone are indexed."""
    models = documents.models
    allowed = tuple(filter(request.allows_model, models.embedder_ids))
    named = models.names.tenants_default(request.caller.tenant, "default_embedding_model")
    return named if named in allowed else next(iter(allowed), "")


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """Where a document comes from. `sha256` None: it is to be fetched from `url` to `path`. Not
    `owned`: the file stays when it has been read."""

    path: str
    name: str
    sha256: str | None = None
    bytes: int = 0
    media_type: str = ""
    url: str = ""
    owned: bool = True


class DocumentCreation:
    """The making of one document."""

    def __init__(
        self,
        documents: DocumentServices,
        request: AdmittedRequest,
        body: DocumentCreate,
        source: DocumentSource,
        collection: Collection | None,
    ) -> None:
        self._documents = documents
        self._request = request
        self._body = body
        self._source = source
        self._collection = collection
        self._id = new_document_id()
        self.keeps_file = self.was_known = False

    async def create(self) -> dict[str, Any]:
        known = await self._known()
        if known is not None:
            return known
        content = await self._read_now()
        try:
            return await self._store(content)
        except IntegrityError:  # the same bytes were sent at the same time
            self.keeps_file = False
            known = await self._known()
            if known is None:
                raise
            return known

    async def _known(self) -> dict[str, Any] | None:
        """The document of the same bytes, which from now on is in the collection too."""
        documents, tenant, sha256 = (
            self._documents,
            self._request.caller.tenant,
            self._source.sha256,
        )
        if sha256 is None:
            return None
        async with documents.database.begin() as connection:
            found = await documents.store.find(connection, tenant, sha256)
            if found is None:
                return None
            if found.state == "failed":
                await documents.store.delete(connection, tenant, found.id)
                return None
            return await self._place(connection, found)

    async def _place(self, connection: AsyncConnection, found: TenantDocument) -> dict[str, Any]:
        documents, tenant, collection = self._documents, found.tenant, self._collection
        self.was_known = True
        places = await documents.store.places(connection, tenant, found.id)
        is_new = collection is not None and collection.id not in {p.collection for p in places}
        if collection is not None and is_new:
            await documents.store.place(connection, tenant, found.id, NewPlace(collection.id))
            if found.is_read:
                spec = DocumentJobSpec(found.id, collections=(collection.id,))
                job = await self._order(connection, spec, found.chunks)
                await documents.store.change(connection, tenant, found.id, job=job.id)
            found = await documents.store.get(connection, tenant, found.id)
            places = await documents.store.places(connection, tenant, found.id)
        return await self._answer(connection, found, places)

    async def _read_now(self) -> ReadDocument | None:
        """What a small document says; None: it is read by a job."""
        source, request, body = self._source, self._request, self._body
        if source.url or source.bytes > SMALL_BYTES:
            return None
        timeout_s = min(SMALL_S, request.timeout_s("ingress"))
        asked = ReadDocumentRequest(
            request_id=request.request_id,
            caller=request.caller,
            path=source.path,
            name=source.name,
            media_type=source.media_type,
            password=body.password,
            ocr=body.ocr,
            timeout_s=timeout_s,
            priority=request.priority,
        )
        try:
            async with asyncio.timeout(timeout_s):
                return await self._documents.pipeline.read(asked, request, SMALL_PAGES)
        except (TooLongToWait, TimeoutError, DeadlineExceeded):
            return None

    async def _store(self, content: ReadDocument | None) -> dict[str, Any]:
        documents, request, source = self._documents, self._request, self._source
        tenant, now = request.caller.tenant, documents.clock.wall()
        document = TenantDocument(
            self._id,
            tenant,
            request.caller.key_id,
            source.name,
            source.sha256,
            "reading",
            now,
            now,
            bytes=source.bytes,
        )
        chunks: list[StoredChunk] = []
        if content is not None:
            chunks = await asyncio.to_thread(chunk_blocks, _stored_blocks(content))
            document = replace(
                document,
                state="readable",
                blocks=len(content.blocks),
                chunks=len(chunks),
                characters=content.characters,
                notes=tuple(content.notes),
                **facts_columns(content.facts),
            )
        async with documents.database.begin() as connection:
            await documents.store.add(connection, document)
            if content is not None:
                store = documents.store
                await store.check_room(connection, tenant, 0)
                await store.add_blocks(connection, tenant, document.id, 0, content.blocks)
                await store.replace_chunks(connection, tenant, document.id, chunks)
            places = await self._first_place(connection)
            if content is None or places:
                spec = self._spec(is_read=content is not None, places=places)
                pages = document.pages or 1 + source.bytes // 50_000
                job = await self._order(connection, spec, pages)
                document = replace(document, job=job.id)
                await documents.store.change(connection, tenant, document.id, job=job.id)
                self.keeps_file = content is None
            return await self._answer(connection, document, places)

    async def _first_place(self, connection: AsyncConnection) -> tuple[DocumentPlace, ...]:
        documents, tenant = self._documents, self._request.caller.tenant
        if self._collection is None:
            return ()
        await documents.store.place(connection, tenant, self._id, NewPlace(self._collection.id))
        return await documents.store.places(connection, tenant, self._id)

    def _spec(self, *, is_read: bool, places: tuple[DocumentPlace, ...]) -> DocumentJobSpec:
        collections = tuple(place.collection for place in places)
        if is_read:
            return DocumentJobSpec(self._id, collections=collections)
        source, secret = self._source, self._documents.secret_of(self._request.caller.tenant)
        return DocumentJobSpec(
            self._id,
            source.path,
            source.url,
            source.name,
            source.media_type,
            seal_password(secret, self._id, self._body.password),
            self._body.ocr,
            source.owned,
            collections,
        )

    async def _order(self, connection: AsyncConnection, spec: DocumentJobSpec, pages: int) -> Job:
        request = self._request
        weights = request.plan.weights
        return await self._documents.jobs.create(
            connection,
            NewJob(
                tenant=request.caller.tenant,
                kind=DOCUMENT_JOB,
                key=request.caller.key_id,
                spec=replace(spec, tags=request.tags).to_json(),
                subject=spec.document,
                cost=max(1, weights.cost(UsageAmounts(pages=max(1, pages)))),
                weight=request.caller.weight,
                priority=request.priority,
                keep_s=KEEP_S,
                request_id=request.request_id,
                trace=request.traceparent,
            ),
        )

    async def _answer(
        self,
        connection: AsyncConnection,
        document: TenantDocument,
        places: tuple[DocumentPlace, ...],
    ) -> dict[str, Any]:
        answer = document_body(document, places)
        if self._request.store_response is not None:
            await self._request.store_response(connection, answer)
        return answer


def document_body(document: TenantDocument, places: tuple[DocumentPlace, ...]) -> dict[str, Any]:
    """A document as responses show it."""
    return {
        "object": "document",
        "id": document.id,
        "name": document.name,
        "state": document.state,
        "format": document.format or None,
        "title": document.title,
        "language": document.language or None,
        "sha256": document.sha256,
        "bytes": document.bytes,
        "pages": document.pages,
        "blocks": document.blocks,
        "chunks": document.chunks,
        "characters": document.characters,
        "by": document.by,
        "notes": list(document.notes),
        "problem": None if document.problem is None else dict(document.problem),
        "job": document.job,
        "created": document.created,
        "updated": document.updated,
        "collections": [
            {"collection": place.collection, "state": place.state, "points": place.points}
            for place in places
        ],
    }


def _stored_blocks(content: ReadDocument) -> list[StoredBlock]:
    return [
        StoredBlock(number, block.page, block.kind, block.text, block.level, block.box)
        for number, block in enumerate(content.blocks)
    ]
