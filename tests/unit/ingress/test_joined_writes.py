"""How often the server writes for a response, by uvicorn's own cycle."""

import asyncio
import logging
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from deployments.ingress.http.joined_writes import JoinedWrites
from deployments.ingress.http.listener import UnchunkedHttp10, middlewares

DEFAULT = [(b"date", b"Mon, 30 Nov 2026 10:00:00 GMT")]
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


def make_cycle(
    *,
    keep_alive: bool = True,
    method: str = "GET",
    on_response: Callable[[], None] = lambda: None,
) -> RequestResponseCycle:
    transport = Transport()
    scope: Any = {"type": "http", "method": method, "http_version": "1.1", "headers": []}
    log = logging.getLogger("test")
    return RequestResponseCycle(
        scope, transport, FlowControl(transport), log, log, False, DEFAULT, asyncio.Event(), False,  # type: ignore[arg-type]
        keep_alive, on_response,
    )  # fmt: skip


async def serve(app: ASGIApp, *, keep_alive: bool = True, method: str = "GET") -> Transport:
    cycle = make_cycle(keep_alive=keep_alive, method=method)
    transport: Any = cycle.transport
    await cycle.run_asgi(UnchunkedHttp10(JoinedWrites(app)))  # type: ignore[arg-type]
    assert cycle.transport is transport
    return transport


async def written_by_uvicorn(
    app: ASGIApp, *, keep_alive: bool = True, method: str = "GET"
) -> bytes:
    cycle = make_cycle(keep_alive=keep_alive, method=method)
    transport: Any = cycle.transport
    await cycle.run_asgi(app)  # type: ignore[arg-type]
    return b"".join(transport.writes)


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

    default = b"date: Mon, 30 Nov 2026 10:00:00 GMT\r\n"
    assert written == b"HTTP/1.1 200 OK\r\n" + default + b"content-length: 2\r\n\r\nhi"


def fields_of(*fields: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), *fields]


LENGTH = (b"content-length", b"2")


@pytest.mark.parametrize("status", [200, 202, 204, 304, 404, 429, 500, 599])
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(fields_of(LENGTH), id="a length"),
        pytest.param(fields_of(), id="no length"),
        pytest.param(fields_of(LENGTH, (b"vary", b"a"), (b"vary", b"b")), id="a field twice"),
        pytest.param(fields_of(LENGTH, (b"X-Mixed-Case", b"a")), id="capital letters"),
        pytest.param(fields_of(LENGTH, (b"x-text", b"a\tb \xff~")), id="a tab and Latin 1"),
        pytest.param(fields_of(LENGTH, (b"connection", b"close")), id="close"),
        pytest.param(fields_of((b"transfer-encoding", b"chunked")), id="chunked"),
        pytest.param(fields_of((b"content-length", b"3")), id="a wrong length"),
        pytest.param(fields_of(LENGTH, (b"x", b"a\r\nset-cookie: b")), id="a line break"),
        pytest.param(fields_of(LENGTH, (b"x", b"a\nb")), id="a line feed"),
        pytest.param(fields_of(LENGTH, (b"x", b"a\x00b")), id="a zero byte"),
        pytest.param(fields_of(LENGTH, (b"x", b"a\x7fb")), id="a delete character"),
        pytest.param(fields_of(LENGTH, (b"x: y", b"b")), id="a name with a colon"),
        pytest.param(fields_of(LENGTH, (b"x\r\ny", b"b")), id="a name with a line break"),
        pytest.param(fields_of(LENGTH, (b"", b"b")), id="a name without a letter"),
        pytest.param(fields_of(LENGTH, (b"content-length", b"3")), id="two lengths"),
    ],
)
async def test_the_bytes_are_those_that_uvicorn_writes(
    fields: list[tuple[bytes, bytes]], status: int
) -> None:
    app = respond(b"hi", head={**START, "status": status, "headers": fields})

    for method, keep_alive in product(("GET", "POST", "HEAD"), (True, False)):
        ours = await serve(app, keep_alive=keep_alive, method=method)

        theirs = await written_by_uvicorn(app, keep_alive=keep_alive, method=method)
        assert b"".join(ours.writes) == theirs, (method, keep_alive)
        assert ours.is_closing() or len(ours.writes) == 1, (method, keep_alive)


async def test_the_server_is_told_of_the_end_of_a_whole_response_once() -> None:
    ends: list[None] = []
    cycle = make_cycle(on_response=lambda: ends.append(None))

    await cycle.run_asgi(JoinedWrites(respond(b"hi", head={**START, "headers": [LENGTH]})))  # type: ignore[arg-type]

    assert len(ends) == 1
    assert await cycle.receive() == {"type": "http.disconnect"}


async def test_nothing_is_written_to_a_client_that_has_left() -> None:
    cycle = make_cycle()
    transport: Any = cycle.transport
    cycle.disconnected = True

    await cycle.run_asgi(JoinedWrites(respond(b"hi", head={**START, "headers": [LENGTH]})))  # type: ignore[arg-type]

    assert transport.writes == []


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
