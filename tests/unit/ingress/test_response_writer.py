"""Parts written past the layers are the bytes that uvicorn would have written."""

from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.ingress.context import STATE_KEY, RequestState
from deployments.ingress.http.joined_writes import JoinedWrites
from deployments.ingress.http.listener import UnchunkedHttp10
from deployments.ingress.http.response_writer import ResponseWriter, response_writer
from deployments.ingress.http.serve_bypass import LocalApplication, ServeBypass
from tests.unit.ingress.test_joined_writes import START, make_cycle

FIRST, PART, LAST = b"data: 1\n\n", b"data: 22222222222222222\n\n", b"data: [DONE]\n\n"


async def serve(app: ASGIApp, **cycle: Any) -> Any:
    """Runs `app` around Serve's wrapper; returns uvicorn's cycle."""
    made: Any = make_cycle(**cycle)
    made.scope |= {"path": "/", STATE_KEY: RequestState()}
    local = LocalApplication()
    local.install(app)

    async def unused(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the request goes to Serve")

    await made.run_asgi(UnchunkedHttp10(JoinedWrites(ServeBypass(unused, local))))
    return made


def stream(parts: list[ResponseWriter | None], *, direct: bool) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START))
        await send({"type": "http.response.body", "body": FIRST, "more_body": True})
        writer = response_writer(scope)
        parts.append(writer)
        if direct and writer is not None:
            assert writer.is_writable
            writer.write(PART)
            assert scope[STATE_KEY].response.body_bytes == len(PART)
        else:
            await send({"type": "http.response.body", "body": PART, "more_body": True})
        await send({"type": "http.response.body", "body": LAST, "more_body": False})
        assert writer is None or not writer.is_writable  # it is complete

    return app


async def test_a_written_part_is_the_chunk_of_the_server() -> None:
    writers: list[ResponseWriter | None] = []
    cycles = [
        await serve(stream(writers, direct=direct), method="POST") for direct in (True, False)
    ]

    direct, sent = (cycle.transport.writes for cycle in cycles)
    assert direct == sent
    assert PART in direct[1]
    assert None not in writers


@pytest.mark.parametrize("change", ["paused", "left"])
async def test_nothing_may_be_written_where_the_client_does_not_read(change: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START))
        await send({"type": "http.response.body", "body": FIRST, "more_body": True})
        writer, cycle = response_writer(scope), send.cycle  # type: ignore[attr-defined]
        assert writer is not None
        if change == "paused":
            cycle.flow.pause_writing()
        else:
            cycle.disconnected = True
        assert not writer.is_writable
        cycle.flow.resume_writing()
        await send({"type": "http.response.body", "body": LAST, "more_body": False})

    await serve(app, method="POST")


async def test_there_is_no_writer_before_the_head_nor_for_a_length_that_is_known() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert response_writer(scope) is None
        await send({**START, "headers": [(b"content-length", b"18")]})
        await send({"type": "http.response.body", "body": FIRST, "more_body": True})
        assert response_writer(scope) is None
        await send({"type": "http.response.body", "body": FIRST, "more_body": False})

    await serve(app, method="POST")


def test_there_is_none_for_a_request_that_came_through_serve() -> None:
    assert response_writer({"type": "http", STATE_KEY: RequestState()}) is None
