"""A client with a wrong base URL is told what it means, in the form that it reads."""

import httpx
import pytest

from deployments.ingress.schemas.answers import OpenAIErrorBody
from deployments.ingress.schemas.response_answers import AnthropicErrorBody


@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("POST", "/chat/completions", "/v1/chat/completions"),
        ("POST", "/v1/v1/chat/completions", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/", "/v1/chat/completions"),
        ("POST", "/responses", "/v1/responses"),
        ("POST", "/api/v1/completions", "/v1/completions"),
        ("POST", "/embeddings", "/v1/embeddings"),
        ("GET", "/models", "/v1/models"),
        ("GET", "/api/v1/models", "/v1/models"),
    ],
)
async def test_a_wrong_base_url_gets_a_hint(
    client: httpx.AsyncClient, method: str, path: str, meant: str
) -> None:
    response = await client.request(method, path, json={} if method == "POST" else None)

    assert response.status_code == 404
    error = OpenAIErrorBody.model_validate_json(response.content).error
    assert f"did you mean {meant}?" in error.message


async def test_the_hint_has_the_form_of_the_route_that_is_meant(client: httpx.AsyncClient) -> None:
    response = await client.post("/anthropic/messages", json={})

    assert response.status_code == 404
    error = AnthropicErrorBody.model_validate_json(response.content).error
    assert "did you mean /v1/messages?" in error.message


async def test_other_paths_are_not_guessed(client: httpx.AsyncClient) -> None:
    elsewhere, under = await client.get("/nowhere"), await client.get("/v1/nowhere")

    assert elsewhere.headers["content-type"] == "application/problem+json"
    assert "did you mean" not in elsewhere.text + under.text
    assert under.json()["error"]["type"] == "not_found_error"


async def test_head_of_the_models_is_answered(client: httpx.AsyncClient) -> None:
    response = await client.head("/v1/models")

    assert (response.status_code, response.content) == (200, b"")
