"""`/api/v1/videos`: a tenant's recordings, sent in a form or fetched from a URL.

For larger files see uploads.py.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cluster.idempotency.store import HEADER as IDEMPOTENCY_KEY
from cluster.runtime.problems import (
    Malformed,
    PayloadTooLarge,
    UnsupportedMedia,
    UnsupportedParameter,
)
from deployments.ingress.http.multipart import FORM, MultipartForm
from deployments.ingress.http.request_body import JSON, parse_json, request_chunks
from deployments.ingress.idempotency import idempotency_key, with_idempotency
from deployments.ingress.operations.base import Operation
from deployments.ingress.operations.imports import ImportVideo
from deployments.ingress.permissions import MediaAccess, ReadsMedia, WritesMedia, services_of
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.videos import (
    ImportResponse,
    VideoImport,
    VideoPage,
    VideoQuery,
    VideoResponse,
)
from deployments.ingress.upload_limits import (
    MAX_IMPORT_BYTES,
    MAX_TRANSCRIPT_BYTES,
    FormTooLarge,
)
from deployments.video.catalog import Video, new_id
from deployments.video.sidecar import (
    TranscriptFile,
    attach_sidecar,
    check_duration,
    duration_of,
    read_sidecar,
    store_sidecar,
)
from deployments.video.uploads.tus import MAX_NAME, name_of

RETRY_AFTER_S = "1"

router = APIRouter(prefix="/api/v1/videos", tags=["videos"])
VideoId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{4,63}$", description="The video's id.")]

_FILE = {"type": "string", "format": "binary"}
_CREATE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"file": _FILE, "transcript": _FILE, "name": {"type": "string"}},
                    "required": ["file"],
                }
            },
            JSON: {"schema": {"$ref": "#/components/schemas/VideoImport"}},
        },
    }
}
_TRANSCRIPT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string"}} for kind in ("application/x-subrip", "text/vtt")
        }
        | {JSON: {"schema": {"type": "object"}}},
    }
}


@router.get("", response_model=VideoPage, responses=LOOK, summary="List videos, newest first")
async def list_videos(access: ReadsMedia, query: Annotated[VideoQuery, Query()]) -> VideoPage:
    page = await access.media.videos.page(
        access.tenant, state=query.state, limit=query.limit, cursor=query.cursor
    )
    return VideoPage(data=[VideoResponse.of(each) for each in page.items], next_cursor=page.next)


@router.post(
    "",
    status_code=201,
    response_model=VideoResponse,
    responses={
        **MAKE,
        202: {
            "model": ImportResponse,
            "description": "It is being fetched; `Location` is the job.",
        },
    },
    summary="Create a video, from a form or a URL",
    openapi_extra=_CREATE_BODY,
)
async def create_video(access: WritesMedia, request: Request) -> Response:
    """A form has the field `file`, and may have `transcript` (SRT, VTT or JSON) and `name`. JSON
    names a `url`, which is fetched by a job; with an `Idempotency-Key`, repetitions of a request
    create one job. The file is inspected before anything is charged; one that is not a recording is
    refused.
    """
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON:
        return await _import(access, request)
    if kind != FORM:
        raise UnsupportedMedia(content_type or "(none)", (FORM, JSON))
    if idempotency_key(request.headers) is not None:
        raise UnsupportedParameter(IDEMPOTENCY_KEY, "it is for URLs; a form is read once.")
    video = await _create_from_form(access, MultipartForm(request_chunks(request), content_type))
    content = VideoResponse.of(video).model_dump(mode="json")
    return JSONResponse(content, 201, {"Location": f"/api/v1/videos/{video.id}"})


@router.get("/{video}", response_model=VideoResponse, responses=LOOK, summary="Show a video")
async def get_video(access: ReadsMedia, video: VideoId) -> VideoResponse:
    return VideoResponse.of(await access.media.videos.get(access.tenant, video))


@router.put(
    "/{video}/transcript",
    response_model=VideoResponse,
    responses=CHANGE,
    summary="Attach a transcript to a video",
    openapi_extra=_TRANSCRIPT,
)
async def put_transcript(access: WritesMedia, video: VideoId, request: Request) -> VideoResponse:
    """SRT, VTT or JSON of at most 5 MiB; it replaces an earlier one. The response names the
    encoding it was read in, and in `notes` the faults that were repaired or skipped."""
    media = access.media
    current = await media.videos.get(access.tenant, video)
    raw = await _read_body(request, MAX_TRANSCRIPT_BYTES)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    transcript = await read_sidecar(media.ingest, raw, kind, duration=duration_of(current))
    async with media.database.begin() as connection:
        locked = await media.videos.lock(connection, access.tenant, video)
        changed = await attach_sidecar(connection, media.videos, media.files, locked, transcript)
    return VideoResponse.of(changed)


@router.delete(
    "/{video}",
    status_code=204,
    response_class=Response,
    responses=CHANGE,
    summary="Delete a video and its files",
)
async def delete_video(access: WritesMedia, video: VideoId) -> Response:
    """Clips made of it are kept. Refused with 409 while a job uses it."""
    await access.media.videos.delete(access.tenant, video)
    return Response(status_code=204)


@dataclass(slots=True)
class _FormFields:
    """The fields of a form."""

    has_file: bool = False
    filename: str | None = None
    name: str | None = None
    sidecar: TranscriptFile | None = None


async def _create_from_form(access: MediaAccess, form: MultipartForm) -> Video:
    """The video of a form; after a problem nothing of it is stored."""
    media, id_ = access.media, new_id()
    try:
        form_fields = await _read(access, form, id_)
        name = name_of(form_fields.name, form_fields.filename)
        video = media.ingest.draft(access.tenant, access.key, name, id_)
        if form_fields.sidecar is None:
            return await media.ingest.admit(video)
        inspected = await media.ingest.inspect(video)
        sidecar = await check_duration(media.ingest, form_fields.sidecar, inspected)

        async def keep(connection: AsyncConnection) -> None:
            await store_sidecar(connection, media.files, video, sidecar)

        info = {**inspected.media, "transcript": sidecar.summary}
        return await media.ingest.make_ready(replace(inspected, media=info), keep)
    except BaseException:
        await asyncio.shield(media.videos.discard(access.tenant, id_))
        raise


async def _read(access: MediaAccess, form: MultipartForm, id_: str) -> _FormFields:
    fields = _FormFields()
    async for part in form.parts():
        if part.name == "file" and not fields.has_file:
            chunks = part.bounded(access.media.max_form_bytes, FormTooLarge)
            await access.media.ingest.store(access.tenant, id_, chunks)
            fields.has_file, fields.filename = True, part.filename
        elif part.name == "transcript" and fields.sidecar is None:
            data = await part.whole(MAX_TRANSCRIPT_BYTES)
            fields.sidecar = await read_sidecar(
                access.media.ingest, data, part.content_type, part.filename
            )
        elif part.name == "name" and fields.name is None:
            fields.name = (await part.whole(4 * MAX_NAME)).decode("utf-8", "replace")
        else:
            raise Malformed.at(
                f"/{part.name[:40]}", "is not a field of this form, or comes twice", "extra"
            )
    if not fields.has_file:
        raise Malformed.at("/file", "is missing", "missing")
    return fields


async def _import(access: MediaAccess, request: Request) -> Response:
    raw = await _read_body(request, MAX_IMPORT_BYTES)
    body = parse_json(raw, VideoImport)
    operation: Operation[VideoImport] = ImportVideo(access.media)
    store = services_of(request).idempotency
    operation = with_idempotency(operation, store, "videos.import", request.headers, raw)
    answer = await operation.answer(access.request, body)
    headers = {"Location": f"/api/v1/jobs/{answer['job']}", "Retry-After": RETRY_AFTER_S}
    return JSONResponse(answer, 202, headers)


async def _read_body(request: Request, limit: int) -> bytes:
    data = bytearray()
    async for chunk in request_chunks(request):
        data += chunk
        if len(data) > limit:
            raise PayloadTooLarge(limit)
    return bytes(data)
