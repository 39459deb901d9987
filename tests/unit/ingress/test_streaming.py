"""Frames are what the two stream formats say they are."""

import asyncio
from collections.abc import AsyncGenerator

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from cluster.runtime.clock import Deadline, SystemClock
from cluster.runtime.problems import ModelFailed
from deployments.ingress.context import STATE_KEY, RequestState
from deployments.ingress.http.middleware.representation import Representation
from deployments.ingress.http.problems import native_body
from deployments.ingress.http.streaming import (
    Event,
    EventFeedResponse,
    EventStream,
    ndjson_frame,
    sse_frame,
)
from deployments.ingress.pipeline.response_relay import ResponseRelay


def test_an_unnamed_event_is_data_alone() -> None:
    assert sse_frame((None, {"a": 1})) == b'data: {"a":1}\n\n'


def test_a_named_event_carries_its_name() -> None:
    assert sse_frame(("delta", {"text": "hi"})) == b'event: delta\ndata: {"text":"hi"}\n\n'


def test_line_breaks_in_text_never_break_a_frame() -> None:
    text = "one\ntwo\r\nthree\u2028four"
    for frame in (sse_frame(("delta", {"text": text})), ndjson_frame(("delta", {"text": text}))):
        body = frame.removeprefix(b"event: delta\ndata: ").rstrip(b"\n")
        assert b"\n" not in body
        assert orjson.loads(body)["text"] == text


def test_an_ndjson_line_names_its_event() -> None:
    assert orjson.loads(ndjson_frame(("started", {"variants": 2}))) == {
        "event": "started",
        "variants": 2,
    }


async def test_a_head_of_a_stream_ends_after_its_headers_and_closes_the_stream() -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"data: 1\n\n"

    frames = endless()

    async def feed(scope: Scope, receive: Receive, send: Send) -> None:
        await EventFeedResponse(frames, lambda: None)(scope, receive, send)

    async def receive() -> Message:
        return await asyncio.get_running_loop().create_future()

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "HEAD", "path": "/api/v1/jobs/j/events", "headers": []}
    async with asyncio.timeout(60):
        await Representation(feed)({**scope, STATE_KEY: RequestState()}, receive, send)

    start, body = sent
    assert (start["status"], body["body"]) == (200, b"")
    assert dict(start["headers"])[b"content-type"].startswith(b"text/event-stream")
    with pytest.raises(StopAsyncIteration):
        await anext(frames)


@pytest.mark.parametrize("fails", [False, True])
async def test_the_last_event_leaves_with_the_end_also_of_a_stream_that_fails(fails: bool) -> None:
    relay = ResponseRelay()

    async def events() -> AsyncGenerator[Event, None]:
        yield None, {"a": 1}
        yield None, {"a": 2}
        relay.is_ending = True
        yield None, {"a": 3}
        if fails:
            raise ModelFailed("m")

    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    clock = SystemClock()
    stream = EventStream(
        events(),
        deadline=Deadline(clock.monotonic() + 60, clock),
        error_body=native_body,
        end=b"data: [DONE]\n\n",
        relay=relay,
    )
    await stream({"type": "http", STATE_KEY: RequestState()}, lambda: asyncio.sleep(60), send)  # type: ignore[arg-type]

    assert sent[1:3] == [b'data: {"a":1}\n\n', b'data: {"a":2}\n\n']
    assert sent[3].startswith(
        b'data: {"a":3}\n\n' + (b"event: error" if fails else b"data: [DONE]")
    )
    assert len(sent) == 4
