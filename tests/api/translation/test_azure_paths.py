"""Azure's paths of OpenAI's API lead to the same operations."""

from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from tests.api.translation.scripted import ScriptedModel
from tests.api.web import ADMIN_KEY, client_of
from tests.api.wire import Wire

VERSION = {"api-version": "2024-10-21"}
MESSAGES: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("body", [MESSAGES, {**MESSAGES, "model": "other"}])
async def test_the_path_names_the_model_whatever_the_body_says(
    client: httpx.AsyncClient, scripted: ScriptedModel, body: dict[str, Any]
) -> None:
    path = "/openai/deployments/words/chat/completions"

    response = await client.post(path, params=VERSION, json=body)

    assert response.status_code == 200
    assert response.json()["object"] == "chat.completion"
    assert scripted.requests[0].model == "words"


async def test_completions_are_found_under_a_deployment_too(client: httpx.AsyncClient) -> None:
    path = "/openai/deployments/words/completions"

    response = await client.post(path, params=VERSION, json={"prompt": "hello"})

    assert response.json()["object"] == "text_completion"


async def test_a_stream_is_one_under_a_deployment(client: httpx.AsyncClient) -> None:
    path = "/openai/deployments/words/chat/completions"

    response = await client.post(path, params=VERSION, json=MESSAGES | {"stream": True})

    assert response.text.endswith("data: [DONE]\n\n")


async def test_an_unknown_deployment_is_an_unknown_model(client: httpx.AsyncClient) -> None:
    response = await client.post("/openai/deployments/Org/x/chat/completions", json=MESSAGES)

    assert response.status_code == 404
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "Org/x" in error["message"]


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b'"text"', b"\xff"])
async def test_a_body_that_is_none_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post(
        "/openai/deployments/words/chat/completions",
        content=content,
        headers={"content-type": "application/json"},
    )

    assert response.status_code in (400, 422)
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_a_key_is_verified_before_the_body_is_waited_for(app: ASGIApp) -> None:
    wire = Wire(app, "/openai/deployments/words/chat/completions").start()

    await wire.ended()

    assert wire.status == 401


@pytest.mark.parametrize("base", ["/openai/v1", "/openai"])
async def test_other_paths_are_those_of_openai(app: ASGIApp, base: str) -> None:
    async with client_of(app, key=None) as client:
        client.headers["api-key"] = ADMIN_KEY
        body = MESSAGES | {"model": "words"}
        chat = await client.post(f"{base}/chat/completions", json=body)
        given = {"model": "words", "input": "hello"}
        response = await client.post(f"{base}/responses", json=given, params=VERSION)
        models = await client.get(f"{base}/models")
        nothing = await client.get(f"{base}/nothing")

    assert chat.json()["object"] == "chat.completion"
    assert response.json()["object"] == "response"
    assert models.json()["data"][0]["id"] == "words"
    assert nothing.status_code == 404
    assert "error" in nothing.json()
