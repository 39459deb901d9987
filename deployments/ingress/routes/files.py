"""`/files/{token}`: download a stored file by its link, complete or in ranges.

The token grants access, so no key is needed; a browser's video element plays from here. The file is
sent block by block as the client receives it; a client that receives nothing for STALL_S is
disconnected.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cluster.blobs.files import StoredObject, TenantFiles
from cluster.blobs.links import DownloadLinks, raise_not_found
from cluster.runtime.problems import NotFound
from deployments.ingress.http.openapi import problem_responses
from deployments.ingress.http.range_requests import (
    content_disposition,
    etag,
    matches_etag,
    parse_range,
)
from deployments.ingress.permissions import services_of
from deployments.video.services import VideoDisabled

STALL_S = 60.0  # for one block

router = APIRouter(tags=["files"])


class DownloadServices(Protocol):
    """`is_active` says whether a tenant may still be served."""

    @property
    def files(self) -> TenantFiles: ...
    @property
    def links(self) -> DownloadLinks: ...
    @property
    def is_active(self) -> Callable[[str], bool]: ...


_BYTES: dict[str, Any] = {
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file, in its own media type.", "content": _BYTES},
    206: {"description": "The part that Range asks for.", "content": _BYTES},
    304: {"description": "The client has it already."},
    416: {"description": "The range lies behind the file's end; Content-Range tells its size."},
    **problem_responses(404, 422, 500, 503, 504),
}
Token = Annotated[str, Path(description="From the response that named the file.")]


@router.get(
    "/files/{token}",
    responses=_ANSWERS,
    response_class=Response,
    summary="Download a file by its link",
)
async def download_file(token: Token, request: Request) -> Response:
    """Range (one), If-Range and If-None-Match are honoured; the ETag is the SHA-256 of the file."""
    downloads = _downloads(request)
    file, headers = await _opened(downloads, token)
    if matches_etag(_list_field(request, "if-none-match"), headers["ETag"]):
        return _not_modified(headers)
    part = parse_range(request.headers, headers["ETag"], file.bytes)
    if part is None:
        headers["Content-Length"] = str(file.bytes)
        return StreamedFile(downloads.files.read(file), 200, headers, file.media_type)
    headers |= {
        "Content-Length": str(part.end - part.start),
        "Content-Range": part.content_range,
    }
    blocks = downloads.files.read(file, part.start, part.end)
    return StreamedFile(blocks, 206, headers, file.media_type)


@router.head("/files/{token}", include_in_schema=False)
async def head_file(token: Token, request: Request) -> Response:
    """As the download of the whole, without its bytes."""
    file, headers = await _opened(_downloads(request), token)
    if matches_etag(_list_field(request, "if-none-match"), headers["ETag"]):
        return _not_modified(headers)
    sized = {**headers, "Content-Length": str(file.bytes), "Content-Type": file.media_type}
    return Response(headers=sized)


class StreamedFile(Response):
    """An answer of blocks, each made when the one before is on its way.

    Raises TimeoutError when the client takes nothing for STALL_S, which cuts the connection.
    """

    def __init__(
        self, blocks: AsyncGenerator[bytes], status: int, headers: dict[str, str], media_type: str
    ) -> None:
        self.status_code = status
        self.background = None
        self.init_headers({**headers, "Content-Type": media_type})
        self._blocks = blocks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        async with aclosing(self._blocks) as blocks:
            async for block in blocks:
                async with asyncio.timeout(STALL_S):
                    await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _downloads(request: Request) -> DownloadServices:
    downloads: DownloadServices | None = getattr(services_of(request), "media", None)
    if downloads is None:
        raise VideoDisabled
    return downloads


async def _opened(downloads: DownloadServices, token: str) -> tuple[StoredObject, dict[str, str]]:
    """The file of a link, and its response headers. Every NotFound reads the same."""
    tenant, path, name = downloads.links.verify(token)
    if not downloads.is_active(tenant):
        raise_not_found()
    try:
        file = await downloads.files.stat(tenant, path)
    except NotFound:
        raise_not_found()
    return file, _headers(file, name)


def _headers(file: StoredObject, name: str) -> dict[str, str]:
    modified = datetime.fromtimestamp(int(file.created), UTC)
    return {
        "ETag": etag(file.sha256),
        "Last-Modified": format_datetime(modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Disposition": content_disposition(name),
        "Cache-Control": "private, no-cache, no-transform",
        "Referrer-Policy": "no-referrer",
    }


def _list_field(request: Request, name: str) -> str | None:
    """A field that may come in several lines."""
    lines = request.headers.getlist(name)
    return ", ".join(lines) if lines else None


def _not_modified(headers: dict[str, str]) -> Response:
    names = ("ETag", "Cache-Control", "Last-Modified")
    return Response(status_code=304, headers={name: headers[name] for name in names})
