"""Streams under fault: early and late failures, clients that leave, deadlines that pass."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from tests.api.fakes import WordsModel
from tests.api.web import ADMIN_KEY
from tests.api.wire import Wire

CHAT = "/v1/chat/completions"
HEADERS = (("authorization", f"Bearer {ADMIN_KEY}"), ("content-type", "application/json"))


def body(**changes: Any) -> bytes:
    message = {"role": "user", "content": "hi"}
    return json.dumps({"model": "words", "messages": [message]} | changes).encode()


@pytest.fixture
def held(model: WordsModel) -> WordsModel:
    """A model that waits for its cue before each word."""
    model.hold = asyncio.Event()
    return model


async def test_a_failure_before_the_first_word_is_a_real_http_error(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.fail_after = 0
    response = await client.post(CHAT, content=body(stream=True), headers=dict(HEADERS))

    assert response.status_code == 502
    assert response.headers["content-type"] == "application/json"


async def test_a_failure_in_the_middle_is_told_in_band_and_the_stream_closes_cleanly(
    app: ASGIApp, model: WordsModel
) -> None:
    model.fail_after = 2
    wire = await Wire(app, CHAT, headers=HEADERS).start().body(body(stream=True)).ended()

    assert wire.status == 200
    assert wire.complete
    last = wire.text.strip().rsplit("\n\n", 1)[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "model_failed"
    assert "[DONE]" not in wire.text
    assert model.open == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_before_the_first_word_ends_the_model_call(
    app: ASGIApp, held: WordsModel, stream: bool
) -> None:
    # Serve does this for unary calls unless the client's header told it not to: then we do.
    headers = (*HEADERS, ("x-request-disconnect-disabled", "?1"))
    wire = Wire(app, CHAT, headers=headers).start().body(body(stream=stream))
    await held.opened.wait()
    wire.leave()
    await wire.ended()

    assert held.open == 0


async def test_a_client_that_leaves_in_mid_stream_ends_the_model_call(
    app: ASGIApp, held: WordsModel
) -> None:
    assert held.hold is not None
    held.hold.set()
    wire = Wire(app, CHAT, headers=HEADERS).start().body(body(stream=True))
    await wire.has_body()
    held.hold.clear()
    wire.leave()
    await wire.ended()

    assert held.open == 0
    assert held.closed.is_set()


async def test_serve_s_steering_headers_never_reach_the_application(
    app: ASGIApp, client: httpx.AsyncClient, model: WordsModel
) -> None:
    headers = {
        "x-request-timeout-seconds": "0",
        "x-request-disconnect-disabled": "?1",
        "x-session-id": "replica-7",
        "serve_multiplexed_model_id": "other-tenants-adapter",
        **dict(HEADERS),
    }
    response = await client.post(CHAT, content=body(), headers=headers)

    assert response.status_code == 200
    assert 0 < model.requests[0].timeout_s <= 60


async def test_a_deadline_before_the_first_word_is_504(app: ASGIApp, held: WordsModel) -> None:
    headers = (*HEADERS, ("mobula-timeout", "0.05"))
    wire = await Wire(app, CHAT, headers=headers).start().body(body(stream=True)).ended()

    assert wire.status == 504
    assert held.open == 0


async def test_a_deadline_in_mid_stream_is_told_in_band(app: ASGIApp, held: WordsModel) -> None:
    assert held.hold is not None
    held.hold.set()
    headers = (*HEADERS, ("mobula-timeout", "0.3"))
    wire = Wire(app, CHAT, headers=headers).start().body(body(stream=True, n=1))
    held.words = ["word"] * 10
    await wire.has_body()
    held.hold.clear()
    await wire.ended()

    assert wire.status == 200
    assert wire.complete
    assert held.open == 0


async def test_a_body_that_never_comes_is_408(app: ASGIApp) -> None:
    headers = (*HEADERS, ("mobula-timeout", "0.05"))
    wire = await Wire(app, CHAT, headers=headers).start().body(b"{", more=True).ended()

    assert wire.status == 408


@pytest.mark.parametrize("value", ["0", "-1", "nan", "1e9", "soon"])
async def test_an_impossible_timeout_is_refused_with_its_limit(
    client: httpx.AsyncClient, value: str
) -> None:
    response = await client.post(
        CHAT, content=body(), headers={**dict(HEADERS), "mobula-timeout": value}
    )

    assert response.status_code == 400
    assert "600" in response.json()["error"]["message"]
