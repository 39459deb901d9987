"""`/api/v1/uploads`: resumable uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload).

A complete upload becomes a video at once, in the response to its last chunk. If that request was
interrupted, the next HEAD or empty PATCH finishes it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from cluster.runtime.problems import MethodNotAllowed, Problem
from deployments.contracts.media import MediaLimits
from deployments.ingress.authentication import verify_credentials
from deployments.ingress.context import request_state
from deployments.ingress.finished_uploads import finish_upload, purpose_of
from deployments.ingress.http.upload_chunk import UploadChunk
from deployments.ingress.permissions import (
    ChecksUpload,
    MediaAccess,
    ReadsMedia,
    WritesMedia,
    services_of,
)
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.videos import UploadResponse
from deployments.video.uploads import tus
from deployments.video.uploads.part_stream import ALGORITHMS
from deployments.video.uploads.upload import Upload, UploadTooLong

_VERSIONED = frozenset({"POST", "PATCH", "HEAD", "DELETE"})
_CHUNK: dict[str, Any] = {
    "requestBody": {
        "content": {tus.CHUNK_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_WHY = {
    410: "The upload has expired, or its content was refused.",
    412: "Another version of tus.",
    423: "Another request writes to the upload; ask for its offset again.",
    460: "The chunk does not match its checksum; nothing of it was stored.",
}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
_TUS: dict[int | str, dict[str, Any]] = {
    status: {"description": why, "content": _PROBLEM} for status, why in _WHY.items()
}
UploadId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{4,63}$", description="The upload's id.")]
Handler = Callable[[Request], Awaitable[Response]]


class TusRoute(APIRoute):
    """Requests and responses, refusals included, name the protocol's version. Credentials are
    checked first.
    """

    def get_route_handler(self) -> Handler:  # type: ignore[override]
        serve = super().get_route_handler()

        async def versioned(request: Request) -> Response:
            try:
                if request.method in _VERSIONED:
                    verify_credentials(services_of(request), request)
                    tus.check_version(request.headers)
                return await serve(request)
            finally:
                request_state(request.scope).extra_headers.append(tus.RESUMABLE_HEADER)

        return versioned


router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"], route_class=TusRoute)


@router.options("", include_in_schema=False)
@router.options("/{upload}", include_in_schema=False)
async def describe_uploads(request: Request) -> Response:
    """The server's tus capabilities; needs no key."""
    media = services_of(request).media
    limits = media.ingest.limits if media else MediaLimits()
    headers = {
        "Tus-Version": tus.VERSION,
        "Tus-Extension": tus.EXTENSIONS,
        "Tus-Max-Size": str(limits.max_bytes),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    "",
    status_code=201,
    response_class=Response,
    responses={**MAKE, **_TUS},
    summary="Create an upload (tus: creation)",
    openapi_extra=_CHUNK,
)
async def create_upload(access: WritesMedia, request: Request) -> Response:
    """`Upload-Length` is required. `filename` or `name` of `Upload-Metadata` becomes the video's
    name; with a `purpose` there it becomes a file of `/v1/files` instead. A body of
    `application/offset+octet-stream` is the first chunk. `Location` is its URL.
    """
    length = tus.length_of(request.headers, access.media.ingest.limits.max_bytes)
    metadata, fields = tus.metadata_of(request.headers)
    purpose_of(fields)
    has_chunk = tus.has_body(request.headers)
    await access.media.ingest.check_storage(access.tenant, length)
    name = tus.name_of(fields.get("name"), fields.get("filename"))
    upload = await access.media.uploads.create(access.tenant, access.key, name, length, metadata)
    if has_chunk:
        upload = await _append_first(access, request, upload)
    headers = {**tus.headers_of(upload), "Location": f"/api/v1/uploads/{upload.id}"}
    return Response(status_code=201, headers=headers)


@router.head("/{upload}", responses={**LOOK, **_TUS}, summary="Show the offset of an upload (tus)")
async def get_upload_offset(access: ChecksUpload, upload: UploadId, request: Request) -> Response:
    current = await access.media.uploads.get_active(access.tenant, upload)
    if current.state == "finishing":
        current = await _finish(access, request, current)
    headers = {**tus.headers_of(current), "Upload-Length": str(current.length)}
    if current.metadata:
        headers["Upload-Metadata"] = current.metadata
    return Response(headers=headers)


@router.get("/{upload}", response_model=UploadResponse, responses=LOOK, summary="Show an upload")
async def get_upload(access: ReadsMedia, upload: UploadId) -> UploadResponse:
    """Also an upload that has ended, with the problem if it became no video. Not part of tus."""
    return UploadResponse.of(await access.media.uploads.get(access.tenant, upload))


@router.patch(
    "/{upload}",
    status_code=204,
    response_class=Response,
    responses={**CHANGE, **_TUS},
    summary="Append to an upload (tus)",
    openapi_extra=_CHUNK,
)
async def append_upload(access: WritesMedia, upload: UploadId, request: Request) -> Response:
    """Received bytes are stored, also if the connection breaks. With `Upload-Checksum` the whole
    chunk is stored, or nothing. The response to the last chunk names the video in `Mobula-Video`;
    if the content is refused, the problem says why, and the upload has ended.
    """
    tus.check_chunk(request.headers)
    updated = await _append(access, request, upload, tus.offset_of(request.headers))
    return Response(status_code=204, headers=tus.headers_of(updated))


@router.delete(
    "/{upload}",
    status_code=204,
    response_class=Response,
    responses=CHANGE,
    summary="Delete an upload (tus: termination)",
)
async def delete_upload(access: WritesMedia, upload: UploadId) -> Response:
    """Deletes its bytes; a video that it became is kept."""
    await access.media.uploads.delete(access.tenant, upload)
    return Response(status_code=204)


@router.post("/{upload}", include_in_schema=False)
async def override_method(access: WritesMedia, upload: UploadId, request: Request) -> Response:
    """tus: for clients that cannot send PATCH or DELETE."""
    method = request.headers.get("x-http-method-override", "")
    if method == "PATCH":
        return await append_upload(access, upload, request)
    if method == "DELETE":
        return await delete_upload(access, upload)
    raise MethodNotAllowed("Send PATCH, or POST with X-HTTP-Method-Override: PATCH or DELETE.")


async def _append_first(access: MediaAccess, request: Request, upload: Upload) -> Upload:
    """If it is refused, the caller never learns the upload's URL, so the upload is deleted."""
    try:
        return await _append(access, request, upload.id, 0)
    except BaseException:
        with suppress(Problem):
            await asyncio.shield(access.media.uploads.delete(access.tenant, upload.id))
        raise


async def _append(access: MediaAccess, request: Request, id_: str, offset: int) -> Upload:
    """Appends one chunk, and creates the video if it was the last. Raises what interrupted it."""
    uploads, checksum = access.media.uploads, tus.checksum_of(request.headers)
    async with uploads.lock(access.tenant, id_, offset) as lock:
        if offset + tus.content_length(request.headers) > lock.upload.length:
            raise UploadTooLong(lock.upload.length)
        chunk = UploadChunk(request, keep_broken=checksum is None)
        await chunk.drain_into(uploads.append(lock, chunk.chunks(), checksum))
        if lock.upload.state == "finishing":
            await finish_upload(access.media, services_of(request).clock, lock)
        elif chunk.broken is not None:
            raise chunk.broken
    return await uploads.get(access.tenant, id_)


async def _finish(access: MediaAccess, request: Request, upload: Upload) -> Upload:
    """Finishes what an interrupted request left."""
    async with access.media.uploads.lock(access.tenant, upload.id, upload.length) as lock:
        if lock.upload.state == "finishing":
            await finish_upload(access.media, services_of(request).clock, lock)
    return await access.media.uploads.get(access.tenant, upload.id)
