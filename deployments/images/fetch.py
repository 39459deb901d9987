"""Fetches pictures from tenants' URLs, through the SSRF guard, and decodes base64.

In: an `ImageSource`. Out: the bytes of its picture, bounded in size and time. Problems name the
request's field instead of `url`.
"""

import binascii
import copy

from cluster.runtime.problems import Problem
from deployments.contracts.images import MAX_IMAGE_BYTES, ImageSource
from deployments.images.errors import ImageRefused
from deployments.video.url_download import UrlDownloader

_SMALL = 65_536  # bytes of base64 that are decoded at once


class ImageFetcher:
    """`downloader` bounds each download in time."""

    def __init__(self, downloader: UrlDownloader) -> None:
        self._downloader = downloader

    async def bytes_of(self, source: ImageSource) -> bytes:
        """Raises ImageRefused, UnsafeUrl, and the problems of a download."""
        if source.content:
            return source.content
        if source.url:
            return await self._download(source)
        return decoded_base64(source)

    async def _download(self, source: ImageSource) -> bytes:
        parts: list[bytes] = []
        try:
            async with self._downloader.open(source.url, MAX_IMAGE_BYTES) as stream:
                async for chunk in stream.chunks:
                    parts.append(chunk)
        except Problem as problem:
            raise _named(problem, source.param) from problem
        return b"".join(parts)


def decoded_base64(source: ImageSource) -> bytes:
    """Raises ImageRefused for text that is not base64 and for more than MAX_IMAGE_BYTES."""
    try:
        content = binascii.a2b_base64(source.encoded.encode("ascii"), strict_mode=False)
    except (ValueError, UnicodeEncodeError):
        raise ImageRefused(source.param, "is not base64") from None
    if not content:
        raise ImageRefused(source.param, "is empty")
    if len(content) > MAX_IMAGE_BYTES:
        why = f"is over {MAX_IMAGE_BYTES >> 20} MiB"
        raise ImageRefused(source.param, why, limit_bytes=MAX_IMAGE_BYTES)
    return content


def _named(problem: Problem, param: str) -> Problem:
    """The same problem of the request's field."""
    named = copy.copy(problem)
    named.detail = f"{param}: {problem.detail.removeprefix('url: ')}"
    named.extensions = {**problem.extensions, "param": param}
    return named
