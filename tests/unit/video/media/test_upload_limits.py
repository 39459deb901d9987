"""Bodies that may be larger and take longer than others, and chunks that break off."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import ClientGone, PayloadTooLarge, Problem, RequestTimeout
from deployments.ingress.context import STATE_KEY, RequestState
from deployments.ingress.http.middleware.limits import (
    LimitedRequests,
    RequestLimits,
    RouteLimit,
)
from deployments.ingress.http.upload_chunk import UploadChunk
from deployments.ingress.upload_limits import MAX_FORM_BYTES, FormTooLarge, upload_limits


def scope(method: str, path: str, **headers: str) -> Scope:
    said = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "headers": said,
        STATE_KEY: RequestState(),
    }


def receiving(*bodies: bytes, then: Message | None = None) -> Receive:
    messages: list[Any] = [
        {"type": "http.request", "body": body, "more_body": True} for body in bodies
    ]
    messages += [then or {"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        found: Message = messages.pop(0)
        return found

    return receive


async def nowhere(_: Message) -> None:
    """What is sent is of no interest."""


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads its whole body."""
    scope["read"] = await Request(scope, receive).body()


async def read(rows: Sequence[RouteLimit], asked: Scope, *bodies: bytes, limit: int = 10) -> bytes:
    limits = RequestLimits(limit, 7.0, 600.0, 1, rows)
    await LimitedRequests(reading, limits, SystemClock())(asked, receiving(*bodies), nowhere)
    found: bytes = asked["read"]
    return found


WIDE = RouteLimit(frozenset({"PUT"}), re.compile(r"/wide/[a-z]+"), 20, 5.0)


async def test_a_row_of_the_table_has_its_own_limit_others_the_usual_one() -> None:
    assert await read([WIDE], scope("PUT", "/wide/a"), b"x" * 20) == b"x" * 20
    for method, path in (("POST", "/wide/a"), ("PUT", "/wide/a/b"), ("PUT", "/x/wide/a")):
        with pytest.raises(PayloadTooLarge) as refused:
            await read([WIDE], scope(method, path), b"x" * 11)
        assert refused.value.extensions["limit_bytes"] == 10


@pytest.mark.parametrize(
    "asked", [scope("PUT", "/wide/a", content_length="21"), scope("PUT", "/wide/a")]
)
async def test_a_wide_body_is_bounded_too(asked: Scope) -> None:
    with pytest.raises(PayloadTooLarge) as refused:
        await read([WIDE], asked, b"x" * 12, b"x" * 9)
    assert refused.value.extensions["limit_bytes"] == 20


async def test_a_row_of_the_table_has_its_own_time() -> None:
    layer = LimitedRequests(reading, RequestLimits(10, 7.0, 600.0, 1, [WIDE]), SystemClock())
    for asked, seconds in (
        (scope("PUT", "/wide/a"), 5.0),
        (scope("POST", "/wide/a"), 7.0),
        (scope("PUT", "/wide/a", mobula_timeout="3"), 3.0),
    ):
        await layer(asked, receiving(), nowhere)
        deadline = asked[STATE_KEY].deadline
        assert deadline is not None
        assert deadline.remaining() == pytest.approx(seconds, abs=1.0)


@pytest.mark.parametrize(
    ("method", "path", "large"),
    [
        ("POST", "/api/v1/videos", True),
        ("POST", "/api/v1/uploads", True),
        ("PATCH", "/api/v1/uploads/upl_1", True),
        ("PUT", "/api/v1/videos/vid_1/transcript", True),
        ("POST", "/api/v1/videos/vid_1/clips", False),
        ("PUT", "/api/v1/videos/vid_1", False),
        ("POST", "/v1/chat/completions", False),
    ],
)
async def test_only_what_brings_files_may_be_large(method: str, path: str, large: bool) -> None:
    asked = scope(method, path, content_length=str(5 << 20))
    try:
        await read(upload_limits(), asked, limit=1 << 20)
        assert large
    except PayloadTooLarge:
        assert not large


async def test_a_form_over_the_limit_is_told_of_uploads_before_it_is_read() -> None:
    asked = scope("POST", "/api/v1/videos", content_length=str(1 << 40))
    with pytest.raises(FormTooLarge) as refused:
        await read(upload_limits(), asked)
    assert refused.value.extensions["limit_bytes"] == MAX_FORM_BYTES
    assert "/api/v1/uploads" in refused.value.detail


DISCONNECT = {"type": "http.disconnect"}


async def read_chunk(receive: Receive, *, keep_broken: bool) -> tuple[bytes, Problem | None]:
    found = UploadChunk(Request(scope("PATCH", "/"), receive), keep_broken=keep_broken, idle_s=0.05)
    return b"".join([chunk async for chunk in found.chunks()]), found.broken


async def test_a_whole_piece_is_not_broken() -> None:
    for keep in (True, False):
        assert await read_chunk(receiving(b"ab", b"c"), keep_broken=keep) == (b"abc", None)


async def test_a_piece_ends_where_the_client_left() -> None:
    data, broken = await read_chunk(receiving(b"ab", then=DISCONNECT), keep_broken=True)
    assert data == b"ab"
    assert isinstance(broken, ClientGone)
    with pytest.raises(ClientGone):
        await read_chunk(receiving(b"ab", then=DISCONNECT), keep_broken=False)


async def test_a_piece_ends_where_the_client_fell_silent() -> None:
    silent = receiving(b"ab", then={"type": "http.request", "body": b"c", "more_body": True})
    data, broken = await read_chunk(silent, keep_broken=True)
    assert data == b"abc"
    assert isinstance(broken, RequestTimeout)
