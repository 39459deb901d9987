"""Fetches pictures from tenants' URLs, through the SSRF guard, and decodes base64.

In: an `ImageSource`. Out: the bytes of its picture, bounded in size and time. Problems name the
request's field instead of `url`.
"""

import binascii
import copy
from collections.abc import AsyncIterator

from cluster.blobs.files import TenantFiles
from cluster.runtime.problems import NotFound, Problem
from deployments.contracts.images import MAX_IMAGE_BYTES, ImageSource
from deployments.images.errors import ImageRefused
from deployments.video.url_download import UrlDownloader


class ImageFetcher:
    """`downloader` bounds each download in time. Without `files`, no file of a tenant is read."""

    def __init__(self, downloader: UrlDownloader, files: TenantFiles | None = None) -> None:
        self._downloader = downloader
        self._files = files

    async def content_of(self, source: ImageSource, tenant: str) -> bytes:
        """The bytes; empty for a source that is base64, which `decoded_base64` reads. Raises
        ImageRefused, UnsafeUrl, and the problems of a download and of the store."""
        try:
            if source.url:
                async with self._downloader.open(source.url, MAX_IMAGE_BYTES) as stream:
                    return await _joined(stream.chunks)
            if source.path:
                return await self._file(source, tenant)
        except ImageRefused:
            raise
        except Problem as problem:
            raise _named(problem, source.param) from problem
        return b""

    async def close(self) -> None:
        await self._downloader.close()

    async def _file(self, source: ImageSource, tenant: str) -> bytes:
        try:
            if self._files is None:
                raise NotFound("This cluster has no store of files.")
            stored = await self._files.stat(tenant, source.path)
        except NotFound:
            raise ImageRefused(source.param, "is not the id of a file of yours") from None
        if stored.bytes > MAX_IMAGE_BYTES:
            raise _over_limit(source)
        return await _joined(self._files.read(stored))


def decoded_base64(source: ImageSource) -> bytes:
    """Takes 2 ms a MiB. Raises ImageRefused for text that is not base64 and for more than
    MAX_IMAGE_BYTES."""
    try:
        content = binascii.a2b_base64(source.encoded)
    except ValueError:
        raise ImageRefused(source.param, "is not base64") from None
    if len(content) > MAX_IMAGE_BYTES:
        raise _over_limit(source)
    return content


async def _joined(blocks: AsyncIterator[bytes]) -> bytes:
    return b"".join([block async for block in blocks])


def _over_limit(source: ImageSource) -> ImageRefused:
    why = f"is over {MAX_IMAGE_BYTES >> 20} MiB"
    return ImageRefused(source.param, why, limit_bytes=MAX_IMAGE_BYTES)


def _named(problem: Problem, param: str) -> Problem:
    """The same problem of the request's field."""
    named = copy.copy(problem)
    named.detail = f"{param}: {problem.detail.removeprefix('url: ')}"
    named.extensions = {**problem.extensions, "param": param}
    return named
