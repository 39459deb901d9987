"""What is sent again, what is not, and under which key."""

import asyncio
import json
from collections.abc import Sequence

import httpx
import pytest

from mobula_client import (
    AsyncMobula,
    Conflict,
    DeadlineExceeded,
    ModelFailed,
    Overloaded,
    RateLimited,
    Unavailable,
    media_calls,
)
from tests.api.python_client.conftest import MakeClient, call

CHAT = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
Outcome = httpx.Response | httpx.TransportError


class Server(httpx.AsyncBaseTransport):
    """Gives these outcomes in turn; the last one again and again."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, httpx.TransportError):
            raise outcome
        content = outcome.content
        return httpx.Response(outcome.status_code, headers=outcome.headers, content=content)


def ok() -> httpx.Response:
    return httpx.Response(200, json=CHAT)


def refused(status: int, slug: str, retry_after_s: int | None = None) -> httpx.Response:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    body = {"type": f"https://mobula.dev/problems/{slug}", "status": status, "detail": "No."}
    return httpx.Response(status, json=body, headers=headers)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client paused; no time passes."""
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    monkeypatch.setattr("mobula_client.blocking_client.time.sleep", waited.append)
    return waited


async def test_a_refusal_is_repeated_when_it_says(
    make_client: MakeClient, pauses: list[float]
) -> None:
    server = Server(refused(429, "rate-limited", 3), refused(503, "overloaded", 2), ok())

    assert (await call(make_client(server), "chat", "hello")).text == "hi"
    assert pauses == [3.0, 2.0]


@pytest.mark.parametrize(
    ("outcome", "kind", "attempts"),
    [
        pytest.param(refused(429, "rate-limited", 3), RateLimited, 3, id="too many attempts"),
        pytest.param(refused(429, "quota-exceeded", 3600), RateLimited, 1, id="too late"),
        pytest.param(refused(503, "overloaded"), Overloaded, 1, id="no time named"),
        pytest.param(refused(502, "model-failed"), ModelFailed, 1, id="failed"),
        pytest.param(httpx.ConnectError("refused"), Unavailable, 3, id="no server"),
        pytest.param(httpx.ReadError("broken"), Unavailable, 1, id="broken"),
        pytest.param(httpx.ReadTimeout("slow"), DeadlineExceeded, 1, id="slow"),
        pytest.param(httpx.Response(500, text="<html>"), Exception, 1, id="no problem"),
    ],
)
async def test_what_ends_the_attempts_is_raised(
    make_client: MakeClient, pauses: list[float], outcome: Outcome, kind: type[Exception],
    attempts: int,
) -> None:  # fmt: skip
    server = Server(outcome)

    with pytest.raises(kind):
        await call(make_client(server), "chat", "hello")
    assert len(server.requests) == attempts


async def test_under_an_idempotency_key_a_broken_request_is_the_same_again(
    make_client: MakeClient, pauses: list[float]
) -> None:
    server = Server(httpx.ReadError("broken"), refused(409, "conflict", 1), ok())
    mobula = make_client(server).with_options(idempotency_key="order-17")

    assert (await call(mobula, "chat", "hello")).text == "hi"
    assert {request.headers["Idempotency-Key"] for request in server.requests} == {"order-17"}
    assert len({request.content for request in server.requests}) == 1


async def test_without_a_key_none_is_sent(make_client: MakeClient) -> None:
    server = Server(ok())
    await call(make_client(server), "chat", "hello")

    assert "Idempotency-Key" not in server.requests[0].headers


async def test_options_of_the_client_are_headers(make_client: MakeClient) -> None:
    server = Server(ok())
    mobula = make_client(server, "mob_key", timeout_s=9, priority="batch")
    await call(mobula, "chat", "hello", temperature=0, seed=None)

    [request] = server.requests
    assert request.headers["Authorization"] == "Bearer mob_key"
    assert request.headers["Mobula-Priority"] == "batch"
    assert 8 < float(request.headers["Mobula-Timeout"]) <= 9
    body = json.loads(request.content)
    assert (body["temperature"], "seed" in body) == (0, False)


async def test_a_cluster_may_be_under_a_path() -> None:
    server = Server(ok())
    async with httpx.AsyncClient(transport=server) as http:
        await AsyncMobula("https://example.test/mobula/", "mob_key", http=http).chat("hello")

    assert str(server.requests[0].url) == "https://example.test/mobula/v1/chat/completions"


async def test_a_key_is_not_sent_with_a_link(make_client: MakeClient, tmp_path: object) -> None:
    server = Server(httpx.Response(404))
    file = {"url": "https://elsewhere.test/clip.mp4", "sha256": ""}

    with pytest.raises(Exception, match="404"):
        await call(make_client(server), "download", file, f"{tmp_path}/clip.mp4")
    assert "Authorization" not in server.requests[0].headers


async def test_a_conflict_without_a_time_is_raised(make_client: MakeClient) -> None:
    server = Server(refused(409, "conflict"))

    with pytest.raises(Conflict):
        await call(make_client(server), "chat", "hello")


def sent(requests: Sequence[httpx.Request], method: str) -> list[httpx.Request]:
    return [request for request in requests if request.method == method]


async def test_an_upload_goes_on_where_it_broke(
    make_client: MakeClient, pauses: list[float], tmp_path: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(media_calls, "CHUNK_BYTES", 4)
    file = f"{tmp_path}/talk.mp4"
    with open(file, "wb") as target:  # noqa: ASYNC230, PTH123
        target.write(b"0123456789")
    server = Server(
        httpx.Response(201, headers={"Location": "/api/v1/uploads/u1"}),
        httpx.Response(204, headers={"Upload-Offset": "4"}),
        httpx.ReadError("broken"),
        httpx.Response(200, json={"received": 6}),
        httpx.Response(204, headers={"Upload-Offset": "10"}),
        httpx.Response(200, json={"problem": None, "video": "vid_1"}),
    )

    assert await call(make_client(server), "upload", file) == "vid_1"
    offsets = [request.headers["Upload-Offset"] for request in sent(server.requests, "PATCH")]
    assert offsets == ["0", "4", "6"]
    assert sent(server.requests, "PATCH")[-1].content == b"6789"
