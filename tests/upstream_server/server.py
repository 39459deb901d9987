"""The server itself: connections, requests, which fault comes next.

In: faults by name or as functions. Out: a URL, and every request that came.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from tests.upstream_server import openai_wire
from tests.upstream_server.exchange import Exchange, UpstreamRequest, answer_rightly

Respond = Callable[[Exchange], Awaitable[None]]
BODY_LIMIT = 1 << 26
MODELS = ("up", "other")


class UpstreamServer:
    """One upstream on loopback. `next` are the responses of the next requests, one each; after
    those every request gets `default`. Both may be changed at any time.

    `opened` counts connections, `open` those that are open now.
    """

    def __init__(self, default: Respond = answer_rightly, port: int = 0) -> None:
        self.default = default
        self.next: deque[Respond] = deque()
        self.requests: list[UpstreamRequest] = []
        self.models = MODELS
        self.opened = 0
        self.port = port
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.kill()

    async def start(self) -> None:
        """Listens, after a `kill` on the same port again."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=1 << 20, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """As the end of its process: connections are reset, new ones are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task, writer in tuple(self._connections.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def url(self) -> str:
        """The base URL that OpenAI's clients take."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def open(self) -> int:
        return len(self._connections)

    @property
    def answered(self) -> list[UpstreamRequest]:
        return [request for request in self.requests if request.answered]

    @property
    def usage(self) -> tuple[int, int]:
        """Input and output tokens that it reported, over all that it has answered."""
        usages = [request.usage for request in self.answered]
        return sum(each[0] for each in usages), sum(each[1] for each in usages)

    def runs(self, task: asyncio.Task[Any]) -> bool:
        """Whether the task is one of its connections."""
        return task in self._connections

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        self.opened += 1
        number = self.opened
        try:
            while (request := await _read_request(reader, number)) is not None:
                if not await self._respond(Exchange(request, reader, writer)):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has left, or this server was killed
        finally:
            del self._connections[task]
            writer.close()

    async def _respond(self, exchange: Exchange) -> bool:
        """Whether the connection stays open."""
        request = exchange.request
        self.requests.append(request)
        if request.method == "GET":
            known = request.path.endswith("/models")
            body = openai_wire.models(*self.models) if known else exchange.error(404, "no route")
            await exchange.respond_json(body, 200 if known else 404)
            return True
        respond = self.next.popleft() if self.next else self.default
        try:
            await respond(exchange)
        except OSError:
            request.left = True
            raise
        return not exchange.closing


async def _read_request(reader: asyncio.StreamReader, connection: int) -> UpstreamRequest | None:
    """None where the client has closed the connection between requests."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ", 2)
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name.strip().lower(), value.strip()))
    request = UpstreamRequest(method, target, headers, b"", connection)
    request.body = await _read_body(reader, request)
    return request


async def _read_body(reader: asyncio.StreamReader, request: UpstreamRequest) -> bytes:
    if length := request.header("content-length"):
        return await reader.readexactly(min(int(length), BODY_LIMIT))
    if request.header("transfer-encoding") != "chunked":
        return b""
    parts: list[bytes] = []
    while size := int((await reader.readline()).strip(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)
