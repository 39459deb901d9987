"""`/api/v1/documents`: a tenant's documents, what they say, and questions about them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from cluster.runtime.problems import Malformed, UnsupportedMedia
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import AdmittedRequest, request_state
from deployments.ingress.document_access import (
    AnalysesDocuments,
    DeletesDocuments,
    DocumentIdInPath,
    ReadsDocuments,
)
from deployments.ingress.documents import DocumentServices, require_documents
from deployments.ingress.http.document_form import DocumentForm, read_document_form
from deployments.ingress.http.multipart import FORM
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import JSON, parse_json, read_json, receive_json
from deployments.ingress.idempotency import with_idempotency
from deployments.ingress.operations.document_creation import document_body
from deployments.ingress.operations.document_summary import SummarizeDocument
from deployments.ingress.operations.documents import CreateDocument, GetDocument
from deployments.ingress.permissions import services_of
from deployments.ingress.routes.operations import JsonResponse
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.documents import (
    DocumentCreate,
    DocumentListQuery,
    DocumentPage,
    DocumentQuery,
    DocumentResponse,
    DocumentSummaryBody,
    DocumentSummaryRequest,
    DocumentSummaryResponse,
)

RETRY_AFTER_S = "1"
router = APIRouter(prefix="/api/v1/documents", tags=["documents"])


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
    access: ReadsDocuments, query: Annotated[DocumentListQuery, Query()]
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
async def get_document(access: ReadsDocuments, document: DocumentIdInPath) -> DocumentResponse:
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
async def delete_document(access: DeletesDocuments, document: DocumentIdInPath) -> Response:
    """Once it is answered, no question is answered from it."""
    await access.documents.remover.remove(access.tenant, document)
    return Response(status_code=204)


@router.post(
    "/{document}/summary",
    response_model=DocumentSummaryResponse,
    responses=MAKE,
    summary="Summarize a document",
    openapi_extra=request_body(DocumentSummaryBody),
)
async def summarize_document(
    access: AnalysesDocuments, document: DocumentIdInPath, request: Request
) -> Response:
    """Its most central sentences with their places, or a model's summary that is checked against
    them. Refused with 409 while it is being read."""
    body = await read_json(request, DocumentSummaryBody)
    operation: SummarizeDocument = request.app.state.operations["summarize_document"]
    asked = DocumentSummaryRequest(document=document, **body.model_dump())
    answer = await operation.answer(access.request, asked)
    return JsonResponse(orjson.dumps(answer))


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
