"""`create_document` and `documents.get`: documents of forms, files and URLs.

A small one is read while its caller waits; a longer one, or one behind a URL, by a job. Indexing is
always a job's. The same bytes of one tenant are the same document, which is not read again.
"""

from typing import Any

from cluster.collections.model import Collection
from cluster.runtime.problems import InvalidRequest, Malformed
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.documents.model import DEFAULT_COLLECTION
from deployments.files.store import object_path
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.documents import (
    DocumentServices,
    UploadedDocument,
    new_source,
    require_documents,
)
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.document_creation import (
    DocumentCreation,
    DocumentSource,
    default_collection,
    document_body,
)
from deployments.ingress.schemas.documents import DocumentCreate, DocumentQuery
from deployments.video.uploads.tus import name_of


class CreateDocument:
    """Body: DocumentCreate. Answer: the document."""

    schema = DocumentCreate
    request_class = RequestClass.MEDIA
    scope = Scope.DOCUMENTS_WRITE
    can_stream = False

    def __init__(
        self, documents: DocumentServices | None, upload: UploadedDocument | None = None
    ) -> None:
        """`upload` came with the request; without one the body names the document's source."""
        self._documents = documents
        self._upload = upload
        self.has_taken_upload = False  # by a job, which will delete it
        self.was_known = False  # the tenant has sent these bytes before

    async def answer(self, request: AdmittedRequest, body: DocumentCreate) -> dict[str, Any]:
        documents = require_documents(self._documents)
        documents.pipeline.require()
        source = await self._source(documents, request, body)
        collection = await self._collection(documents, request, body)
        run = DocumentCreation(documents, request, body, source, collection)
        answer = await run.create()
        self.has_taken_upload = run.keeps_file and self._upload is not None
        self.was_known = run.was_known
        documents.wake()
        return answer

    async def events(self, request: AdmittedRequest, body: DocumentCreate) -> Events:
        """One event, the document: its job has events of its own."""
        yield None, await self.answer(request, body)

    async def _source(
        self, documents: DocumentServices, request: AdmittedRequest, body: DocumentCreate
    ) -> DocumentSource:
        tenant = request.caller.tenant
        if body.url is not None:
            url = (await documents.guard.target(body.url)).location.url
            name = body.name or name_of(None, url.partition("?")[0])
            return DocumentSource(new_source(), name, url=url)
        if self._upload is not None:
            upload = self._upload
            name = body.name or upload.name
            return DocumentSource(upload.path, name, upload.sha256, upload.bytes, upload.media_type)
        if body.file_id is None:
            raise Malformed.at("/file", "is missing, and neither `file` nor `url`", "missing")
        file = await documents.files.get(tenant, body.file_id)
        stored = await documents.objects.list_under(tenant, f"files/{file.id}")
        if len(stored) != 1:
            raise InvalidRequest(
                f"File '{file.id}' was written by a batch; it is no document.", param="file_id"
            )
        return DocumentSource(
            object_path(file.id, 0),
            body.name or file.name,
            stored[0].sha256,
            stored[0].bytes,
            file.media_type,
            owned=False,
        )

    async def _collection(
        self, documents: DocumentServices, request: AdmittedRequest, body: DocumentCreate
    ) -> Collection | None:
        if not body.index:
            return None
        if body.collection is not None and body.collection != DEFAULT_COLLECTION:
            async with documents.database.read() as connection:
                repository = documents.collections.collections
                return await repository.get(connection, request.caller.tenant, body.collection)
        return await default_collection(documents, request)


class GetDocument:
    """Body: DocumentQuery. Answer: the document."""

    schema = DocumentQuery
    request_class = RequestClass.READ
    scope = Scope.DOCUMENTS_READ
    can_stream = False

    def __init__(self, documents: DocumentServices | None) -> None:
        self._documents = documents

    async def answer(self, request: AdmittedRequest, body: DocumentQuery) -> dict[str, Any]:
        """Raises NotFound."""
        documents, tenant = require_documents(self._documents), request.caller.tenant
        async with documents.database.read() as connection:
            found = await documents.store.get(connection, tenant, body.document)
            places = await documents.store.places(connection, tenant, found.id)
        return document_body(found, places)

    async def events(self, request: AdmittedRequest, body: DocumentQuery) -> Events:
        """One event, the document."""
        yield None, await self.answer(request, body)
