"""`/api/v1/documents`: a tenant's documents, what they say, and questions about them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from cluster.runtime.problems import Conflict, Malformed, UnsupportedMedia
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.documents.model import TenantDocument
from deployments.documents.rendering import TextFormat, render
from deployments.ingress.admission import MAX_RESOURCE
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import AdmittedRequest, request_state
from deployments.ingress.documents import DocumentServices, require_documents
from deployments.ingress.http.document_form import DocumentForm, read_document_form
from deployments.ingress.http.multipart import FORM
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import JSON, parse_json, read_json, receive_json
from deployments.ingress.idempotency import with_idempotency
from deployments.ingress.operations.document_summary import SummarizeDocument
from deployments.ingress.operations.documents import CreateDocument, GetDocument, document_body
from deployments.ingress.permissions import services_of
from deployments.ingress.routes.operations import JsonResponse
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.documents import (
    BlockPage,
    BlockResponse,
    ChunkPage,
    ChunkResponse,
    DocumentCreate,
    DocumentListQuery,
    DocumentPage,
    DocumentPartQuery,
    DocumentQuery,
    DocumentResponse,
    DocumentSummaryBody,
    DocumentSummaryRequest,
    DocumentSummaryResponse,
)

RETRY_AFTER_S = "1"
BLOCKS_AT_ONCE = 500
router = APIRouter(prefix="/api/v1/documents", tags=["documents"])
DocumentIdInPath = Annotated[
    str, Path(pattern=r"^[0-9A-Za-z_-]{1,63}$", description="The document's id.")
]
Format = Annotated[TextFormat, Query(description="`markdown` marks headings, lists and tables.")]


@dataclass(frozen=True, slots=True)
class DocumentAccess:
    """An admitted request that concerns documents of the caller's tenant."""

    request: AdmittedRequest
    documents: DocumentServices

    @property
    def tenant(self) -> str:
        return self.request.caller.tenant


def _granted(scope: Scope, request_class: RequestClass) -> Callable[..., Any]:
    async def grant(request: Request) -> AsyncIterator[DocumentAccess]:
        services = services_of(request)
        context = authenticate(services, request, request_class)
        action = f"documents.{request.method.lower()}"
        resource = request.scope["path"][:MAX_RESOURCE]
        async with services.admission.admitted(
            context, request_class, action, resource, scope
        ) as admitted:
            yield DocumentAccess(admitted, require_documents(services.documents))

    return grant


Reads = Annotated[DocumentAccess, Depends(_granted(Scope.DOCUMENTS_READ, RequestClass.READ))]
Analyses = Annotated[DocumentAccess, Depends(_granted(Scope.DOCUMENTS_READ, RequestClass.ANALYSE))]
Deletes = Annotated[DocumentAccess, Depends(_granted(Scope.DOCUMENTS_WRITE, RequestClass.ADMIN))]


def _form() -> dict[str, Any]:
    described = DocumentCreate.model_json_schema()["properties"]
    hidden = {"url", "file"}
    fields = {name: {"type": "string"} for name in described if name not in hidden}
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"file": file, **fields}, "required": ["file"]}
    content: dict[str, Any] = {
        FORM: {"schema": form},
        JSON: {"schema": {"$ref": "#/components/schemas/DocumentCreate"}},
    }
    return {"requestBody": {"required": True, "content": content}}


@router.get("", response_model=DocumentPage, responses=LOOK, summary="List documents, newest first")
async def list_documents(
    access: Reads, query: Annotated[DocumentListQuery, Query()]
) -> DocumentPage:
    documents = access.documents
    async with documents.database.read() as connection:
        page = await documents.store.page(
            connection, access.tenant, state=query.state, limit=query.limit, cursor=query.cursor
        )
        data = []
        for each in page.items:
            places = await documents.store.places(connection, access.tenant, each.id)
            data.append(DocumentResponse.model_validate(document_body(each, places)))
    return DocumentPage(data=data, next_cursor=page.next)


@router.post(
    "",
    status_code=201,
    response_model=DocumentResponse,
    responses={
        **MAKE,
        200: {"model": DocumentResponse, "description": "The tenant has sent these bytes before."},
        202: {"model": DocumentResponse, "description": "A job reads it; `Location` is its URL."},
    },
    summary="Add a document",
    openapi_extra=_form(),
)
async def create_document(request: Request) -> Response:
    """A form with `file`, or JSON that names a `url` or a `file` of `/v1/files`: PDF, DOCX, PPTX,
    HTML, Markdown or text. A small one is read at once (`state: readable`), others by a job; then
    it is indexed. The same bytes are the same document. With an `Idempotency-Key`, repetitions of a
    request are one.
    """
    async with _reading_body(request) as call:
        body = parse_json(call.body, DocumentCreate)
        operation = CreateDocument(call.documents, call.form.upload)
        services, headers = services_of(request), request.headers
        run = with_idempotency(
            operation, services.idempotency, "create_document", headers, call.raw,
            services.guardrails,
        )  # fmt: skip
        answer = await run.answer(call.admitted, body)
        call.keeps_upload = operation.has_taken_upload
    content = DocumentResponse.model_validate(answer).model_dump(mode="json")
    return JSONResponse(content, *_status(answer, was_known=operation.was_known))


def _status(answer: dict[str, Any], *, was_known: bool) -> tuple[int, dict[str, str]]:
    location = {"Location": f"/api/v1/documents/{answer['id']}"}
    if was_known:
        return 200, location
    if answer["state"] == "reading":
        job = f"/api/v1/jobs/{answer['job']}"
        return 202, {"Location": job, "Retry-After": RETRY_AFTER_S}
    return 201, location


@router.get(
    "/{document}", response_model=DocumentResponse, responses=LOOK, summary="Show a document"
)
async def get_document(access: Reads, document: DocumentIdInPath) -> DocumentResponse:
    answer = await GetDocument(access.documents).answer(
        access.request, DocumentQuery(document=document)
    )
    return DocumentResponse.model_validate(answer)


@router.delete(
    "/{document}",
    status_code=204,
    response_class=Response,
    responses=CHANGE,
    summary="Delete a document and what is indexed of it",
)
async def delete_document(access: Deletes, document: DocumentIdInPath) -> Response:
    """Once it is answered, no question is answered from it."""
    await access.documents.remover.remove(access.tenant, document)
    return Response(status_code=204)


@router.get(
    "/{document}/text",
    response_class=Response,
    responses={
        200: {
            "description": "The text.",
            "content": {"text/plain": {}, "text/markdown": {}},
        },
        **LOOK,
    },
    summary="The text of a document",
)
async def get_document_text(
    access: Reads, document: DocumentIdInPath, request: Request, format: Format = "text"
) -> Response:
    """Refused with 409 while it is being read."""
    found = await _readable(access, document)
    lift_deadline = request_state(request.scope).lift_deadline
    if lift_deadline is not None:  # a stalled client is cut by itself
        lift_deadline()
    kind = "text/plain" if format == "text" else "text/markdown"
    return StreamingResponse(
        _text(access.documents, found, format), media_type=f"{kind}; charset=utf-8"
    )


@router.get(
    "/{document}/blocks",
    response_model=BlockPage,
    responses=LOOK,
    summary="A document block by block",
)
async def list_document_blocks(
    access: Reads, document: DocumentIdInPath, query: Annotated[DocumentPartQuery, Query()]
) -> BlockPage:
    """In reading order. While a job reads it, those that are there."""
    documents = access.documents
    async with documents.database.read() as connection:
        found = await documents.store.get(connection, access.tenant, document)
        blocks = await documents.store.blocks(
            connection, access.tenant, found.id, after=query.after, limit=query.limit + 1
        )
    data = [
        BlockResponse.model_validate(
            {
                "number": block.number,
                "page": block.page,
                "kind": block.kind,
                "level": block.level,
                "text": block.text,
                "box": list(block.box) or None,
            }
        )
        for block in blocks[: query.limit]
    ]
    return BlockPage(data=data, next_after=data[-1].number if len(blocks) > query.limit else None)


@router.get(
    "/{document}/chunks",
    response_model=ChunkPage,
    responses=LOOK,
    summary="What of a document is indexed as one",
)
async def list_document_chunks(
    access: Reads, document: DocumentIdInPath, query: Annotated[DocumentPartQuery, Query()]
) -> ChunkPage:
    documents = access.documents
    async with documents.database.read() as connection:
        found = await documents.store.get(connection, access.tenant, document)
        chunks = await documents.store.chunks(
            connection, access.tenant, found.id, after=query.after, limit=query.limit + 1
        )
    data = [
        ChunkResponse(
            number=chunk.number,
            page=chunk.page,
            heading=chunk.heading,
            block=chunk.block,
            start=chunk.start,
            last_block=chunk.last_block,
            end=chunk.end,
            text=chunk.text,
        )
        for chunk in chunks[: query.limit]
    ]
    return ChunkPage(data=data, next_after=data[-1].number if len(chunks) > query.limit else None)


@router.post(
    "/{document}/summary",
    response_model=DocumentSummaryResponse,
    responses=MAKE,
    summary="Summarize a document",
    openapi_extra=request_body(DocumentSummaryBody),
)
async def summarize_document(
    access: Analyses, document: DocumentIdInPath, request: Request
) -> Response:
    """Its most central sentences with their places, or a model's summary that is checked against
    them. Refused with 409 while it is being read."""
    body = await read_json(request, DocumentSummaryBody)
    operation: SummarizeDocument = request.app.state.operations["summarize_document"]
    asked = DocumentSummaryRequest(document=document, **body.model_dump())
    answer = await operation.answer(access.request, asked)
    return JsonResponse(orjson.dumps(answer))


async def _readable(access: DocumentAccess, id: str) -> TenantDocument:
    documents = access.documents
    async with documents.database.read() as connection:
        found = await documents.store.get(connection, access.tenant, id)
    if found.state == "reading" or not found.blocks:
        raise Conflict(f"Document '{id}' is {found.state}; it has no text yet.", param="document")
    return found


async def _text(
    documents: DocumentServices, document: TenantDocument, form: TextFormat
) -> AsyncIterator[bytes]:
    after = -1
    while True:
        async with documents.database.read() as connection:
            blocks = await documents.store.blocks(
                connection, document.tenant, document.id, after=after, limit=BLOCKS_AT_ONCE
            )
        if not blocks:
            break
        between = "" if after < 0 else "\n\n"
        yield (between + "".join(render(blocks, form))).encode()
        after = blocks[-1].number
    yield b"\n"


@dataclass(slots=True)
class _DocumentCall:
    """A request whose body has been read: `body` is JSON, `raw` what repetitions of the request
    have in common. The file of its form is deleted at the end unless `keeps_upload`."""

    documents: DocumentServices
    admitted: AdmittedRequest
    form: DocumentForm = field(default_factory=DocumentForm)
    body: bytes = b""
    raw: bytes = b""
    keeps_upload: bool = False


@asynccontextmanager
async def _reading_body(request: Request) -> AsyncIterator[_DocumentCall]:
    services, name = services_of(request), "create_document"
    request_state(request.scope).operation = name
    context = authenticate(services, request, RequestClass.MEDIA)
    async with services.admission.admitted(
        context, RequestClass.MEDIA, name, scope=Scope.DOCUMENTS_WRITE
    ) as admitted:
        call = _DocumentCall(require_documents(services.documents), admitted)
        try:
            await _receive(request, call)
            yield call
        finally:
            if call.form.upload is not None and not call.keeps_upload:
                await call.documents.discard(admitted.caller.tenant, call.form.upload)


async def _receive(request: Request, call: _DocumentCall) -> None:
    """Raises UnsupportedMedia, Malformed, and what storing the file raises."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        call.body = call.raw = await receive_json(request)
        return
    if kind != FORM:
        raise UnsupportedMedia(kind or "(none)", (FORM, JSON))
    call.documents.pipeline.require()
    store = partial(call.documents.receive, call.admitted.caller.tenant)
    await read_document_form(request, call.form, store, call.documents.max_form_bytes)
    if call.form.upload is None:
        raise Malformed.at("/file", "is missing", "missing")
    call.body = orjson.dumps(call.form.fields)
    call.raw = orjson.dumps([call.form.fields, call.form.upload.sha256])
