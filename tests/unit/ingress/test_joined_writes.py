"""How often the server writes for a response, by uvicorn's own cycle."""

import asyncio
import logging
from importlib.metadata import version
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from deployments.ingress.http.joined_writes import JoinedWrites
from deployments.ingress.http.listener import UnchunkedHttp10, middlewares

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


class Transport:
    """Notes each write to the kernel."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed_after = -1

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, parts: list[bytes]) -> None:
        self.writes.append(b"".join(parts))

    def close(self) -> None:
        self.is_closed_after = len(self.writes)

    def is_closing(self) -> bool:
        return self.is_closed_after >= 0

    def resume_reading(self) -> None: ...


async def serve(app: ASGIApp, *, keep_alive: bool = True) -> Transport:
    transport = Transport()
    scope: Any = {"type": "http", "method": "GET", "http_version": "1.1", "headers": []}
    log = logging.getLogger("test")
    cycle = RequestResponseCycle(
        scope, transport, FlowControl(transport), log, log, False, [], asyncio.Event(), False,  # type: ignore[arg-type]
        keep_alive, lambda: None,
    )  # fmt: skip
    await cycle.run_asgi(UnchunkedHttp10(JoinedWrites(app)))  # type: ignore[arg-type]
    assert cycle.transport is transport
    return transport


def respond(*bodies: bytes, head: Message = START) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(head)
        for number, body in enumerate(bodies):
            more = number + 1 < len(bodies)
            await send({"type": "http.response.body", "body": body, "more_body": more})

    return app


def test_this_is_the_uvicorn_whose_cycle_was_read() -> None:
    assert version("uvicorn") == "0.54.0"


async def test_a_whole_response_is_one_write() -> None:
    head = {**START, "headers": [(b"content-length", b"2")]}

    [written] = (await serve(respond(b"hi", head=head))).writes

    assert written == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


async def test_an_empty_response_is_one_write() -> None:
    head = {**START, "headers": [(b"content-length", b"0")]}

    assert len((await serve(respond(b"", head=head))).writes) == 1


async def test_each_part_of_a_stream_leaves_at_once() -> None:
    first, *others = (await serve(respond(b"one", b"two", b""))).writes

    assert first.endswith(b"\r\n\r\n3\r\none\r\n")
    assert others == [b"3\r\ntwo\r\n", b"0\r\n\r\n"]


async def test_a_connection_is_closed_after_its_response() -> None:
    transport = await serve(respond(b"hi"), keep_alive=False)

    assert len(transport.writes) == transport.is_closed_after == 1


async def test_a_head_whose_body_fails_is_a_500() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        raise RuntimeError

    written = b"".join((await serve(app)).writes)

    assert written.startswith(b"HTTP/1.1 500 ")
    assert b" 200 " not in written


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_other_scopes_pass(kind: str) -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(send)

    async def send(message: Message) -> None: ...

    await JoinedWrites(app)({"type": kind}, None, send)  # type: ignore[arg-type]

    assert seen == [send]


def test_it_stands_inside_the_layer_that_knows_the_servers_send_too() -> None:
    order = [middleware.cls for middleware in middlewares()]  # innermost first

    assert order.index(JoinedWrites) + 1 == order.index(UnchunkedHttp10)
