"""An HTTP/1.1 client that does nothing by itself: no retry, no redirect, no hidden reconnect.

Flows in: an address and request bodies. Flows out: a status, headers and the body's chunks, or the
exception that says how far an answer came. Cheap enough to offer hundreds of requests a second
beside the cluster that it loads. Speaks what HAProxy and uvicorn answer: bodies with a length,
chunked, or none.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_POST = (
    "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
    "Content-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n"
)
_LARGEST = 1 << 20  # bytes of a head or a chunk's line


class ConnectionRefused(Exception):
    """No connection came about: nothing was sent."""


class NoResponse(Exception):
    """The connection ended before the first byte of an answer. `reused`: it was an old one."""

    def __init__(self, *, reused: bool) -> None:
        super().__init__("ended without an answer")
        self.reused = reused


class TruncatedResponse(Exception):
    """The connection ended within the answer."""


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    reused: bool = False

    def abort(self) -> None:
        self.writer.transport.abort()


class StreamedResponse:
    """A status and headers; `chunks` has to be read to the end, or the connection is given up."""

    def __init__(
        self,
        client: "NoRetryClient",
        connection: _Connection,
        status: int,
        headers: Mapping[bytes, bytes],
    ) -> None:
        self.status = status
        self.headers = headers
        self._client = client
        self._connection = connection

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises TruncatedResponse."""
        try:
            if b"chunked" in self.headers.get(b"transfer-encoding", b""):
                async for chunk in _chunks(self._connection.reader):
                    yield chunk
            elif length := int(self.headers.get(b"content-length", b"0")):
                yield await self._connection.reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            raise TruncatedResponse("ended within the answer") from None
        self._client.release_connection(self._connection, self.headers)
        self._connection = None  # type: ignore[assignment]

    async def body(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    def close(self) -> None:
        """Give the connection up unless the body was read to its end."""
        if self._connection is not None:
            self._connection.abort()


class NoRetryClient:
    """Connections to one address, kept while the server keeps them."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._idle: list[_Connection] = []

    async def post(
        self, path: str, key: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> StreamedResponse:
        """Send once; `headers` are added to those of a JSON request. Raises ConnectionRefused,
        NoResponse, TruncatedResponse."""
        connection = self._take_idle() or await self._connect()
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = _POST.format(path=path, host=self._host, key=key, length=len(body), more=more)
        try:
            connection.writer.write(head.encode() + body)
            status, answer_headers = await _head(connection)
        except BaseException:
            connection.abort()
            raise
        return StreamedResponse(self, connection, status, answer_headers)

    def release_connection(self, connection: _Connection, headers: Mapping[bytes, bytes]) -> None:
        if headers.get(b"connection", b"").lower() == b"close":
            connection.abort()
        else:
            connection.reused = True
            self._idle.append(connection)

    def close(self) -> None:
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    def _take_idle(self) -> _Connection | None:
        """The youngest that the server has not closed."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.reader.at_eof() and not connection.writer.is_closing():
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        try:
            opened = await asyncio.open_connection(self._host, self._port, limit=_LARGEST)
        except OSError as error:
            raise ConnectionRefused(str(error)) from None
        return _Connection(*opened)


async def _head(connection: _Connection) -> tuple[int, dict[bytes, bytes]]:
    try:
        head = await connection.reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise TruncatedResponse("ended within the head") from None
        raise NoResponse(reused=connection.reused) from None
    except OSError:
        raise NoResponse(reused=connection.reused) from None
    first, *lines = head[:-4].split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return int(first[9:12]), {name.lower(): value.strip() for name, _, value in pairs}


async def _chunks(reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
