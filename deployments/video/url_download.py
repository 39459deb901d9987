"""Downloads a recording from a tenant's URL, always through the SSRF guard.

Flows in: a URL. Flows out: its bytes while they arrive, or a problem: 4xx if a retry cannot help,
5xx if it may. Redirects are guarded too, because the transport checks every request. The server's
content type and file name are ignored; its content length only serves the progress.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from cluster.net.transport import PinnedTransport, guarded_client
from cluster.runtime.problems import InvalidRequest, PayloadTooLarge, Problem

USER_AGENT = "Mobula-Import/1"
MAX_REDIRECTS = 5
WAIT_S = 30.0  # to connect, or between two chunks
WALL_S = 3600.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEMPORARY = frozenset({408, 425, 429})  # 4xx that a retry may solve


class SourceRefused(InvalidRequest):
    """The server does not deliver the file, and a retry will not change that."""

    slug, title = "source-refused", "The URL does not give the file"

    def __init__(self, why: str, **extensions: int | str) -> None:
        super().__init__(f"url: {why}.", param="url", **extensions)


class SourceTooLarge(PayloadTooLarge):
    slug, title = "source-too-large", "The file behind the URL is too large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.detail = f"url: the file is over {limit_bytes} bytes."


class SourceUnreachable(Problem):
    """A retry may succeed."""

    status, slug, title = 502, "source-unreachable", "The URL cannot be reached now"

    def __init__(self, why: str) -> None:
        super().__init__(f"url: {why}.", param="url")


@dataclass(frozen=True, slots=True)
class IncomingStream:
    """`size` is the server's content length in bytes, None if it has none."""

    size: int | None
    chunks: AsyncIterator[bytes]


class UrlDownloader:
    """One for a process; `close` it."""

    def __init__(
        self, transport: PinnedTransport, *, wall_s: float = WALL_S, step_s: float = WAIT_S
    ) -> None:
        """`wall_s` bounds a download, `step_s` each wait in it."""
        self._client = guarded_client(transport, step_s)
        self._wall_s = wall_s

    async def close(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def open(self, url: str, max_bytes: int) -> AsyncIterator[IncomingStream]:
        """Raises UnsafeUrl, SourceRefused, SourceTooLarge, SourceUnreachable; so do the chunks."""
        try:
            async with asyncio.timeout(self._wall_s):
                response = await self._follow_redirects(url)
                try:
                    yield _incoming(response, max_bytes)
                finally:
                    await response.aclose()
        except TimeoutError:
            why = f"the file did not arrive within {self._wall_s:g} s"
            raise SourceRefused(why, limit_s=int(self._wall_s)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceUnreachable(_describe(error)) from error

    async def _follow_redirects(self, url: str) -> httpx.Response:
        """The first response that is not a redirect."""
        target = httpx.URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            request = self._client.build_request("GET", target, headers={"User-Agent": USER_AGENT})
            response = await self._client.send(request, stream=True)
            if response.status_code not in _REDIRECTS:
                return response
            await response.aclose()
            target = _redirect_target(target, response)
        raise SourceRefused(f"redirects more than {MAX_REDIRECTS} times", limit=MAX_REDIRECTS)


def _redirect_target(url: httpx.URL, response: httpx.Response) -> httpx.URL:
    """Without the fragment, which is never sent to a server."""
    try:
        return url.join(response.headers["location"]).copy_with(fragment=None)
    except (KeyError, httpx.InvalidURL):
        raise SourceRefused("redirects to nowhere") from None


def _incoming(response: httpx.Response, max_bytes: int) -> IncomingStream:
    status = response.status_code
    if status != 200:
        if status >= 500 or status in _TEMPORARY:
            raise SourceUnreachable(f"the host answers {status}")
        raise SourceRefused(f"the host answers {status}", answered=status)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise SourceRefused("the host sends the file compressed, though asked not to")
    size = _size(response)
    if size is not None and size > max_bytes:
        raise SourceTooLarge(max_bytes)
    return IncomingStream(size, _bounded(response, max_bytes))


async def _bounded(response: httpx.Response, max_bytes: int) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        if received > max_bytes:
            raise SourceTooLarge(max_bytes)
        yield chunk


def _size(response: httpx.Response) -> int | None:
    value = response.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None


def _describe(error: Exception) -> str:
    """Without details of the internal network."""
    if isinstance(error, httpx.TimeoutException):
        return "the host does not answer in time"
    if isinstance(error, httpx.ConnectError):
        return "the host does not accept a connection"
    if isinstance(error, httpx.InvalidURL):
        return "is not a valid URL"
    return "the connection broke before the file was whole"
