"""`/v1/files`: OpenAI's files, for batches and other work (routes/files.py serves links)."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from cluster.blobs.files import Staged
from cluster.runtime.problems import InvalidRequest, Malformed, PayloadTooLarge
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.batches.services import require_batches
from deployments.files.model import (
    MAX_BATCH_BYTES,
    MAX_BYTES,
    SENT_PURPOSES,
    NewFile,
    TenantFile,
    file_name,
)
from deployments.files.store import FileStore
from deployments.ingress.admission import MAX_RESOURCE
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import request_state
from deployments.ingress.http.multipart import FORM, MultipartForm
from deployments.ingress.http.openapi import problem_responses
from deployments.ingress.http.range_requests import content_disposition
from deployments.ingress.http.request_body import request_chunks
from deployments.ingress.permissions import services_of
from deployments.ingress.routes.files import StreamedFile
from deployments.ingress.routes.operations import JsonResponse
from deployments.ingress.schemas.files import (
    DeletedFile,
    ExpiresAfter,
    FileList,
    FileListQuery,
    FileObject,
    page_of,
)

router = APIRouter(prefix="/v1/files", tags=["openai"])
LOOK = problem_responses(400, 401, 403, 404, 422, 429, 500, 503, 504, form="openai")
CHANGE = problem_responses(
    400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503, 504, form="openai"
)
MAX_FIELD = 1_000  # bytes
_EXPIRES = re.compile(r"expires_after\[(anchor|seconds)\]")
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,48}/[\w.+-]{1,48}", re.ASCII)
_TEXT = {"type": "string"}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(SENT_PURPOSES)},
                        "expires_after[anchor]": _TEXT,
                        "expires_after[seconds]": {"type": "integer"},
                    },
                    "required": ["file", "purpose"],
                }
            }
        },
    }
}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
FileIdInPath = Annotated[str, Path(max_length=64, description="The file's id.")]


@dataclass(frozen=True, slots=True)
class FileAccess:
    """An admitted request for files of the caller's tenant."""

    files: FileStore
    tenant: str
    key: str


@asynccontextmanager
async def _admitted(request: Request, request_class: RequestClass) -> AsyncIterator[FileAccess]:
    services = services_of(request)
    context = authenticate(services, request, request_class)
    action, resource = f"files.{request.method.lower()}", request.scope["path"][:MAX_RESOURCE]
    async with services.admission.admitted(
        context, request_class, action, resource, Scope.GENERATE
    ):
        files = require_batches(services.batches).files
        yield FileAccess(files, context.caller.tenant, context.caller.key_id)


@router.post(
    "",
    response_model=FileObject,
    responses=CHANGE,
    summary="Upload a file",
    openapi_extra=_FORM,
)
async def create_file(request: Request) -> Response:
    """A form with `file` and `purpose`, and `expires_after[seconds]` if it is not to be kept until
    it is deleted. A file for a batch has at most 200 MiB, others 512 MiB; all count against the
    storage of the plan."""
    async with _admitted(request, RequestClass.MEDIA) as access:
        form = MultipartForm(request_chunks(request), request.headers.get("content-type", ""))
        file = await _receive(access, form)
    return JsonResponse(FileObject(**_object(file)).model_dump_json().encode())


@router.get("", response_model=FileList, responses=LOOK, summary="List files")
async def list_files(query: Annotated[FileListQuery, Query()], request: Request) -> FileList:
    async with _admitted(request, RequestClass.READ) as access:
        found, has_more = await access.files.page(
            access.tenant,
            purpose=query.purpose,
            limit=query.limit,
            after=query.after,
            newest_first=query.order == "desc",
        )
    data = [FileObject(**_object(file)) for file in found]
    return FileList(**page_of(data, has_more=has_more))


@router.get("/{file_id}", response_model=FileObject, responses=LOOK, summary="Show a file")
async def get_file(file_id: FileIdInPath, request: Request) -> FileObject:
    async with _admitted(request, RequestClass.READ) as access:
        return FileObject(**_object(await access.files.get(access.tenant, file_id)))


@router.get(
    "/{file_id}/content",
    response_class=Response,
    responses=_CONTENT | LOOK,
    summary="Download the content of a file",
)
async def download_file_content(file_id: FileIdInPath, request: Request) -> Response:
    """Of a file that a batch still writes, what is there."""
    async with _admitted(request, RequestClass.READ) as access:
        found = await access.files.get(access.tenant, file_id)
    lift_deadline = request_state(request.scope).lift_deadline
    if lift_deadline is not None:  # a stalled client is cut by itself
        lift_deadline()
    headers = {
        "Content-Length": str(found.bytes),
        "Content-Disposition": content_disposition(found.name),
        "Cache-Control": "no-store",
    }
    return StreamedFile(access.files.read(found), 200, headers, found.media_type)


@router.delete("/{file_id}", response_model=DeletedFile, responses=CHANGE, summary="Delete a file")
async def delete_file(file_id: FileIdInPath, request: Request) -> DeletedFile:
    """Refused with 409 while a batch writes it."""
    async with _admitted(request, RequestClass.ADMIN) as access:
        await access.files.delete(access.tenant, file_id)
    return DeletedFile(id=file_id)


def _object(file: TenantFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "bytes": file.bytes,
        "created_at": int(file.created),
        "expires_at": None if file.expires is None else int(file.expires),
        "filename": file.name,
        "purpose": file.purpose,
    }


@dataclass(slots=True)
class _Received:
    """The fields of a form, which come in any order."""

    staged: Staged | None = None
    name: str = ""
    purpose: str | None = None
    anchor: str | None = None
    seconds: str | None = None


async def _receive(access: FileAccess, form: MultipartForm) -> TenantFile:
    """After a problem nothing is stored."""
    received = _Received()
    try:
        await _read(access, form, received)
        return await access.files.add(*_new_file(access, received))
    except BaseException:
        if received.staged is not None:
            await asyncio.shield(access.files.discard(received.staged))
        raise


async def _read(access: FileAccess, form: MultipartForm, received: _Received) -> None:
    async for part in form.parts():
        expires = _EXPIRES.fullmatch(part.name)
        if part.name == "file" and received.staged is None:
            kind = part.content_type
            received.name = file_name(part.filename)
            received.staged = await access.files.receive(
                access.tenant,
                part.bounded(_largest(received.purpose), PayloadTooLarge),
                kind if _MEDIA_TYPE.fullmatch(kind) else "application/octet-stream",
                _largest(received.purpose),
            )
        elif part.name == "purpose" and received.purpose is None:
            received.purpose = _purpose((await part.whole(MAX_FIELD)).decode("utf-8", "replace"))
        elif expires is not None:
            text = (await part.whole(MAX_FIELD)).decode("utf-8", "replace")
            setattr(received, expires[1], text)
        else:
            name = part.name[:40]
            raise Malformed.at(f"/{name}", "is not a field of this form, or comes twice", "extra")


def _new_file(access: FileAccess, received: _Received) -> tuple[Staged, NewFile]:
    """Raises Malformed, PayloadTooLarge."""
    staged, purpose = received.staged, received.purpose
    if staged is None or purpose is None:
        missing = "file" if staged is None else "purpose"
        raise Malformed.at(f"/{missing}", "is missing", "missing")
    if staged.bytes > _largest(purpose):
        raise PayloadTooLarge(_largest(purpose))
    keep_s = _keep_s(received)
    return staged, NewFile(
        access.tenant,
        access.key,
        _purpose(purpose),
        received.name,
        staged.new.media_type,
        keep_s,
    )


def _keep_s(received: _Received) -> float | None:
    if received.anchor is None and received.seconds is None:
        return None
    try:
        given = {"anchor": received.anchor or "created_at", "seconds": received.seconds}
        return float(ExpiresAfter.model_validate_json(orjson.dumps(given), strict=False).seconds)
    except ValidationError as error:
        first = error.errors()[0]
        raise Malformed.at(
            f"/expires_after/{first['loc'][0]}", first["msg"], first["type"]
        ) from None


def _purpose(text: str) -> Any:
    """Raises InvalidRequest."""
    if text not in SENT_PURPOSES:
        known = ", ".join(SENT_PURPOSES)
        raise InvalidRequest(f"purpose: must be one of {known}.", param="purpose")
    return text


def _largest(purpose: str | None) -> int:
    return MAX_BATCH_BYTES if purpose == "batch" else MAX_BYTES
