"""`/api/v1/uploads`: recordings in pieces, by tus 1.0.0 (https://tus.io/protocols/resumable-upload).

An upload whose last byte has come is made a video at once, in the answer to its last piece. If that
was cut off, whoever asks for it next (HEAD, or an empty PATCH) finishes it.
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
from deployments.ingress.http import tus
from deployments.ingress.http.upload_chunk import UploadChunk
from deployments.ingress.permissions import (
    ChecksUpload,
    MediaAccess,
    ReadsMedia,
    WritesMedia,
    services_of,
)
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.videos import UploadAnswer
from deployments.video.uploads.part_stream import ALGORITHMS
from deployments.video.uploads.upload import Upload, UploadTooLong

_VERSIONED = frozenset({"POST", "PATCH", "HEAD", "DELETE"})
_PIECE: dict[str, Any] = {
    "requestBody": {
        "content": {tus.PIECE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_WHY = {
    410: "The upload has expired, or what it brought was refused.",
    412: "Another version of tus.",
    423: "Another request writes to the upload; ask for its offset again.",
    460: "The piece is not what its checksum says; nothing of it was kept.",
}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
_TUS: dict[int | str, dict[str, Any]] = {
    status: {"description": why, "content": _PROBLEM} for status, why in _WHY.items()
}
UploadId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{4,63}$", description="The upload's id.")]
Handler = Callable[[Request], Awaitable[Response]]


class TusRoute(APIRoute):
    """Every answer names the protocol's version, refusals too, and every request has to; but what
    a stranger lacks first is a key.
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
                request_state(request.scope).extra_headers.append(tus.RESUMABLE)

        return versioned


router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"], route_class=TusRoute)


@router.options("", include_in_schema=False)
@router.options("/{upload}", include_in_schema=False)
async def describe_uploads(request: Request) -> Response:
    """What this server can do; needs no key."""
    media = services_of(request).media
    limits = media.intake.limits if media else MediaLimits()
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
    summary="Begin an upload (tus: creation)",
    openapi_extra=_PIECE,
)
async def create_upload(access: WritesMedia, request: Request) -> Response:
    """`Upload-Length` is needed. Of `Upload-Metadata`, `filename` or `name` becomes the video's
    name. A body of `application/offset+octet-stream` is its first piece. `Location` leads to it.
    """
    length = tus.length_of(request.headers, access.media.intake.limits.max_bytes)
    metadata, fields = tus.metadata_of(request.headers)
    with_piece = tus.has_body(request.headers)
    await access.media.intake.check_room(access.tenant, length)
    name = tus.name_of(fields.get("name"), fields.get("filename"))
    made = await access.media.uploads.create(access.tenant, access.key, name, length, metadata)
    if with_piece:
        made = await _first_piece(access, request, made)
    headers = {**tus.headers_of(made), "Location": f"/api/v1/uploads/{made.id}"}
    return Response(status_code=201, headers=headers)


@router.head("/{upload}", responses={**LOOK, **_TUS}, summary="How far an upload has come (tus)")
async def head_upload(access: ChecksUpload, upload: UploadId) -> Response:
    current = await access.media.uploads.get_active(access.tenant, upload)
    if current.state == "finishing":
        current = await _finish(access, current)
    headers = {**tus.headers_of(current), "Upload-Length": str(current.length)}
    if current.metadata:
        headers["Upload-Metadata"] = current.metadata
    return Response(headers=headers)


@router.get("/{upload}", response_model=UploadAnswer, responses=LOOK, summary="Show an upload")
async def get_upload(access: ReadsMedia, upload: UploadId) -> UploadAnswer:
    """Also one that is over, with why it became no video. Not part of tus."""
    return UploadAnswer.of(await access.media.uploads.get(access.tenant, upload))


@router.patch(
    "/{upload}",
    status_code=204,
    response_class=Response,
    responses={**CHANGE, **_TUS},
    summary="Send the next piece of an upload (tus)",
    openapi_extra=_PIECE,
)
async def append_upload(access: WritesMedia, upload: UploadId, request: Request) -> Response:
    """What comes is kept, also if the connection breaks. With `Upload-Checksum` all of the piece
    is, or nothing. The answer to the last one names the video in `Mobula-Video`; if it is none,
    the problem says why, and the upload is over.
    """
    tus.check_piece(request.headers)
    taken = await _take(access, request, upload, tus.offset_of(request.headers))
    return Response(status_code=204, headers=tus.headers_of(taken))


@router.delete(
    "/{upload}",
    status_code=204,
    response_class=Response,
    responses=CHANGE,
    summary="End an upload (tus: termination)",
)
async def delete_upload(access: WritesMedia, upload: UploadId) -> Response:
    """What has come of it is deleted; a video that it became stays."""
    await access.media.uploads.delete(access.tenant, upload)
    return Response(status_code=204)


@router.post("/{upload}", include_in_schema=False)
async def override_method(access: WritesMedia, upload: UploadId, request: Request) -> Response:
    """For clients that can send no PATCH or DELETE, as tus asks."""
    method = request.headers.get("x-http-method-override", "")
    if method == "PATCH":
        return await append_upload(access, upload, request)
    if method == "DELETE":
        return await delete_upload(access, upload)
    raise MethodNotAllowed("Send PATCH, or POST with X-HTTP-Method-Override: PATCH or DELETE.")


async def _first_piece(access: MediaAccess, request: Request, made: Upload) -> Upload:
    """If it is refused, nobody learns where the upload is, so it goes."""
    try:
        return await _take(access, request, made.id, 0)
    except BaseException:
        with suppress(Problem):
            await asyncio.shield(access.media.uploads.delete(access.tenant, made.id))
        raise


async def _take(access: MediaAccess, request: Request, id_: str, offset: int) -> Upload:
    """One piece, and the video if it was the last. Raises what broke the piece off."""
    uploads, checksum = access.media.uploads, tus.checksum_of(request.headers)
    async with uploads.lock(access.tenant, id_, offset) as hold:
        if offset + tus.content_length(request.headers) > hold.upload.length:
            raise UploadTooLong(hold.upload.length)
        piece = UploadChunk(request, keep_broken=checksum is None)
        await piece.drain_into(uploads.append(hold, piece.chunks(), checksum))
        if hold.upload.state == "finishing":
            await access.media.intake.finish(hold)
        elif piece.broken is not None:
            raise piece.broken
    return await uploads.get(access.tenant, id_)


async def _finish(access: MediaAccess, upload: Upload) -> Upload:
    """What an earlier request was cut off from."""
    async with access.media.uploads.lock(access.tenant, upload.id, upload.length) as hold:
        if hold.upload.state == "finishing":
            await access.media.intake.finish(hold)
    return await access.media.uploads.get(access.tenant, upload.id)
