"""Fetching a recording from a URL that a tenant gave, through the guard and nothing else.

Flows in: a URL. Flows out: its bytes while they arrive, or a problem: 4xx when trying again cannot
help, 5xx when it may. Each redirect is checked anew, because the transport checks every request.
What the other side says of type, name and size is not believed; the size is only good for progress.
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
STEP_S = 30.0  # to connect, or between two chunks
WALL_S = 3600.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429})  # 4xx that may be gone the next time


class SourceRefused(InvalidRequest):
    """The other side does not give the file, and trying again will not change that."""

    slug, title = "source-refused", "The URL does not give the file"

    def __init__(self, why: str, **extensions: int | str) -> None:
        super().__init__(f"url: {why}.", param="url", **extensions)


class SourceTooLarge(PayloadTooLarge):
    slug, title = "source-too-large", "The file behind the URL is too large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.detail = f"url: the file is over {limit_bytes} bytes."


class SourceUnreachable(Problem):
    """It may work later."""

    status, slug, title = 502, "source-unreachable", "The URL cannot be reached now"

    def __init__(self, why: str) -> None:
        super().__init__(f"url: {why}.", param="url")


@dataclass(frozen=True, slots=True)
class IncomingStream:
    """`size` is what the other side promises, in bytes; None where it does not say."""

    size: int | None
    chunks: AsyncIterator[bytes]


class UrlDownloader:
    """Make one a process; `close` it."""

    def __init__(
        self, transport: PinnedTransport, *, wall_s: float = WALL_S, step_s: float = STEP_S
    ) -> None:
        """`wall_s` bounds one whole download, `step_s` each wait in it."""
        self._client = guarded_client(transport, step_s)
        self._wall_s = wall_s

    async def close(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def open(self, url: str, max_bytes: int) -> AsyncIterator[IncomingStream]:
        """Raises UnsafeUrl, SourceRefused, SourceTooLarge, SourceUnreachable; so do the chunks."""
        try:
            async with asyncio.timeout(self._wall_s):
                response = await self._answer(url)
                try:
                    yield _incoming(response, max_bytes)
                finally:
                    await response.aclose()
        except TimeoutError:
            why = f"the file did not arrive within {self._wall_s:g} s"
            raise SourceRefused(why, limit_s=int(self._wall_s)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceUnreachable(_why(error)) from error

    async def _answer(self, url: str) -> httpx.Response:
        """The first answer that is no redirect."""
        here = httpx.URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            request = self._client.build_request("GET", here, headers={"User-Agent": USER_AGENT})
            response = await self._client.send(request, stream=True)
            if response.status_code not in _REDIRECTS:
                return response
            await response.aclose()
            here = _next(here, response)
        raise SourceRefused(f"redirects more than {MAX_REDIRECTS} times", limit=MAX_REDIRECTS)


def _next(here: httpx.URL, response: httpx.Response) -> httpx.URL:
    """A redirect's fragment is the browser's business; it never goes over the wire."""
    try:
        return here.join(response.headers["location"]).copy_with(fragment=None)
    except (KeyError, httpx.InvalidURL):
        raise SourceRefused("redirects to nowhere") from None


def _incoming(response: httpx.Response, max_bytes: int) -> IncomingStream:
    status = response.status_code
    if status != 200:
        if status >= 500 or status in _PASSING:
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
    said = response.headers.get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() else None


def _why(error: Exception) -> str:
    """In words that tell nothing of the network behind us."""
    if isinstance(error, httpx.TimeoutException):
        return "the host does not answer in time"
    if isinstance(error, httpx.ConnectError):
        return "the host does not accept a connection"
    if isinstance(error, httpx.InvalidURL):
        return "is not a valid URL"
    return "the connection broke before the file was whole"
