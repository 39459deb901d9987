"""One request and what is written for it, byte by byte: a fault is a function of an exchange.

In: a parsed request and the connection. Out: bytes on the wire, right or wrong.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.upstream_server import anthropic_wire, openai_wire
from tests.upstream_server.answers import UpstreamAnswer, answer_to
from tests.upstream_server.openai_wire import Event

REASONS = {200: "OK", 302: "Found", 307: "Temporary Redirect", 429: "Too Many Requests"}


@dataclass(slots=True)
class UpstreamRequest:
    """What was sent. `connection` numbers the connections of the server, from 1 on.

    `answered` is set once the right answer has been written to its end, `left` once the client has
    closed the connection before that.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    answered: bool = False
    left: bool = False
    usage: tuple[int, int] = (0, 0)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body or b"{}")

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(slots=True)
class Exchange:
    """`dialect` is the wire of the request's path. `closing`: the connection ends with it."""

    request: UpstreamRequest
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    closing: bool = False
    sent: int = field(default=0)

    @property
    def is_anthropic(self) -> bool:
        return self.request.path.endswith("/messages")

    @property
    def is_stream(self) -> bool:
        return bool(self.request.json.get("stream"))

    @property
    def answer(self) -> UpstreamAnswer:
        return answer_to(self.request.json)

    def whole(self, answer: UpstreamAnswer | None = None) -> dict[str, Any]:
        """The right answer in one piece."""
        body = self.request.json
        if self.request.path.endswith("/embeddings"):
            return openai_wire.embeddings(body)
        write = anthropic_wire.message if self.is_anthropic else openai_wire.completion
        return write(answer or self.answer, body)

    def events(self, answer: UpstreamAnswer | None = None) -> list[Event]:
        """The right answer as events; OpenAI's last, `[DONE]`, is `last_event`."""
        write = anthropic_wire.events if self.is_anthropic else openai_wire.events
        return write(answer or self.answer, self.request.json)

    @property
    def last_event(self) -> bytes:
        return b"" if self.is_anthropic else openai_wire.DONE

    def error(self, status: int, text: str) -> dict[str, Any]:
        write = anthropic_wire.error if self.is_anthropic else openai_wire.error
        return write(status, text)

    def error_event(self, text: str) -> Event:
        write = anthropic_wire.error_event if self.is_anthropic else openai_wire.error_event
        return write(text)

    async def send(self, data: bytes) -> None:
        """Raises OSError where the client has left."""
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def head(
        self, status: int, headers: Mapping[str, str] | Sequence[tuple[str, str]]
    ) -> None:
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in pairs]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def respond(
        self,
        body: bytes,
        status: int = 200,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """A whole response with its length."""
        length = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
        await self.head(status, length)
        await self.send(body)

    async def respond_json(self, body: Any, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await self.respond(json.dumps(body).encode(), status, headers=named)

    async def begin_stream(self, kind: str = "text/event-stream") -> None:
        await self.head(200, {"content-type": kind, "transfer-encoding": "chunked"})

    async def chunk(self, data: bytes) -> None:
        """One chunk of the chunked coding (RFC 9112 section 7.1)."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, event: Event) -> None:
        await self.chunk(event_bytes(event))

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    def abort(self) -> None:
        """The connection is reset."""
        self.closing = True
        self.writer.transport.abort()

    async def until_left(self) -> None:
        """Waits until the client closes the connection."""
        self.closing = True
        while await self.reader.read(65536):
            pass
        self.request.left = True


def event_bytes(event: Event) -> bytes:
    name, data = event
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


async def answer_rightly(exchange: Exchange) -> None:
    """What the server does where no fault is asked for."""
    if exchange.is_stream:
        await send_events(exchange, exchange.events())
    else:
        await exchange.respond_json(exchange.whole())
    answered(exchange)


async def send_events(exchange: Exchange, events: Sequence[Event]) -> None:
    await exchange.begin_stream()
    for event in events:
        await exchange.event(event)
    if exchange.last_event:
        await exchange.chunk(exchange.last_event)
    await exchange.end_stream()


def answered(exchange: Exchange, answer: UpstreamAnswer | None = None) -> None:
    """The request counts as answered, with the usage that was reported for it."""
    found = answer or exchange.answer
    many = openai_wire.choices(exchange.request.json)
    exchange.request.answered = True
    exchange.request.usage = (found.input_tokens, found.output_tokens * many)
