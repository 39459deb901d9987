"""Every way to ask wrongly, and the typed refusal that names the field and the limit."""

import json
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from deployments.ingress.http.app import create_app
from deployments.ingress.schemas.answers import OpenAIErrorBody, ProblemBody
from tests.api.fakes import CONTEXT, WordsModel
from tests.api.web import ADMIN_KEY, READER_KEY, MakeServices, client_of
from tests.api.wire import Wire

CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "hi"}
HELLO: dict[str, Any] = {"model": "words", "messages": [USER]}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        pytest.param({"messages": []}, "messages", id="no-messages"),
        pytest.param({"messages": "hi"}, "messages", id="messages-not-a-list"),
        pytest.param({"messages": [{"role": "user"}]}, "messages[0].content", id="no-content"),
        pytest.param({"messages": [USER | {"role": "root"}]}, "messages[0].role", id="role"),
        pytest.param({"messages": [USER | {"content": 5}]}, "messages[0].content", id="content"),
        pytest.param({"n": 0}, "n", id="n-too-small"),
        pytest.param({"n": 17}, "n", id="n-too-large"),
        pytest.param({"n": "2"}, "n", id="n-not-a-number"),
        pytest.param({"max_tokens": 0}, "max_tokens", id="max-tokens-zero"),
        pytest.param({"max_tokens": -2}, "max_tokens", id="max-tokens-negative"),
        pytest.param({"max_tokens": 2**31}, "max_tokens", id="max-tokens-huge"),
        pytest.param({"max_tokens": 1.5}, "max_tokens", id="max-tokens-not-whole"),
        pytest.param({"max_completion_tokens": 0}, "max_completion_tokens", id="newer-max-tokens"),
        pytest.param({"top_k": -2}, "top_k", id="top-k"),
        pytest.param({"min_p": 1.1}, "min_p", id="min-p"),
        pytest.param({"repetition_penalty": 0}, "repetition_penalty", id="repetition-penalty"),
        pytest.param({"logit_bias": {"a": 1}}, "logit_bias.a", id="bias-of-no-token"),
        pytest.param({"logit_bias": {"5": 101}}, "logit_bias[5]", id="bias-too-large"),
        pytest.param({"stop_token_ids": [-1]}, "stop_token_ids[0]", id="stop-token-ids"),
        pytest.param({"temperature": 2.1}, "temperature", id="temperature"),
        pytest.param({"top_p": 0}, "top_p", id="top-p"),
        pytest.param({"stop": ["x"] * 33}, "stop", id="too-many-stops"),
        pytest.param({"seed": 2**70}, "seed", id="seed"),
        pytest.param({"stream": "yes"}, "stream", id="stream"),
    ],
)
async def test_a_wrong_field_is_400_and_named(
    client: httpx.AsyncClient, change: dict[str, Any], param: str
) -> None:
    response = await client.post(CHAT, json=HELLO | change)

    assert response.status_code == 400
    error = OpenAIErrorBody.model_validate_json(response.content).error
    assert error.param == param
    assert error.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"{", "not JSON", id="cut-off"),
        pytest.param(b"[]", "object", id="a-list"),
        pytest.param(b'{"model": "\xff"}', "not UTF-8", id="bad-utf8"),
        pytest.param(b'{"model": "\\ud800"}', "not JSON", id="lone-surrogate"),
        pytest.param(b"[" * 10_000, "not JSON", id="deep"),
    ],
)
async def test_a_body_that_is_not_json_is_400(
    client: httpx.AsyncClient, raw: bytes, words: str
) -> None:
    response = await client.post(CHAT, content=raw, headers=JSON)

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert words in response.json()["error"]["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_content_type_is_415(client: httpx.AsyncClient, kind: str) -> None:
    response = await client.post(CHAT, content=b"{}", headers={"content-type": kind})

    assert response.status_code == 415
    assert "application/json" in response.json()["error"]["message"]


async def test_an_unknown_model_is_404_and_names_the_models(client: httpx.AsyncClient) -> None:
    response = await client.post(CHAT, json=HELLO | {"model": "gpt-9"})

    assert response.status_code == 404
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "words" in error["message"]


async def test_a_prompt_over_the_context_says_how_many_tokens_it_has_and_the_limit(
    client: httpx.AsyncClient,
) -> None:
    long = {"role": "user", "content": "word " * (CONTEXT + 1)}
    response = await client.post(CHAT, json=HELLO | {"messages": [long]})

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert str(CONTEXT) in error["message"]
    assert str(CONTEXT + 1) in error["message"]


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="missing"),
        pytest.param("Bearer nonsense", id="wrong"),
        pytest.param("Basic bW9iOg==", id="another-scheme"),
        pytest.param("Bearer ", id="empty"),
        pytest.param("Bearer mob_\u00e9", id="not-ascii"),
    ],
)
async def test_a_missing_or_wrong_key_is_401(app: ASGIApp, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode()}
    async with client_of(app, key=None) as client:
        response = await client.post(CHAT, json=HELLO, headers=headers)  # type: ignore[arg-type]

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_without_the_scope_is_403_and_told_which(app: ASGIApp) -> None:
    async with client_of(app, READER_KEY) as client:
        listing = await client.get("/v1/models")
        response = await client.post(CHAT, json=HELLO)

    assert listing.status_code == 200
    assert response.status_code == 403
    assert "generate" in response.json()["error"]["message"]


async def test_a_declared_body_over_the_limit_is_413_before_any_of_it_is_read(
    make_services: MakeServices,
) -> None:
    app = create_app(make_services(max_body_bytes=2048, max_image_body_bytes=2048))
    headers = [("authorization", f"Bearer {ADMIN_KEY}"), *JSON.items(), ("content-length", "2049")]
    wire = await Wire(app, CHAT, headers=headers).start().ended()  # no body was ever offered

    assert wire.status == 413
    assert "2048" in wire.text


async def test_an_undeclared_body_is_cut_off_at_the_limit(make_services: MakeServices) -> None:
    app = create_app(make_services(max_body_bytes=2048, max_image_body_bytes=2048))
    headers = [("authorization", f"Bearer {ADMIN_KEY}"), *JSON.items()]
    wire = Wire(app, CHAT, headers=headers).start()
    wire.body(b"x" * 2000, more=True).body(b"x" * 2000, more=True)  # and never ends
    await wire.ended()

    assert wire.status == 413


async def test_native_routes_answer_with_problem_json(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/captions", json={"topic": 5})

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = ProblemBody.model_validate_json(response.content)
    assert problem.type.endswith("malformed-payload")
    assert response.json()["errors"][0]["pointer"] == "/topic"
    assert problem.request_id == response.headers["x-request-id"]


async def test_unknown_routes_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    missing = await client.get("/nowhere")
    wrong = await client.get(CHAT)

    assert (missing.status_code, missing.json()["status"]) == (404, 404)
    assert wrong.status_code == 405
    assert wrong.json()["error"]["code"] == "method_not_allowed"
    assert "POST" in wrong.headers["allow"]


async def test_a_bug_gives_a_constant_body_and_leaks_nothing(
    client: httpx.AsyncClient, model: WordsModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(request: object) -> None:
        raise RuntimeError("postgres://user:secret@db")

    monkeypatch.setattr(model, "generate", broken)
    response = await client.post(CHAT, json=HELLO)

    assert response.status_code == 500
    assert "secret" not in response.text
    assert json.loads(response.content)["error"]["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("path", ["login", "refresh", "logout", "password"])
async def test_a_body_over_16_kib_is_413_where_everybody_may_sign_in(
    client: httpx.AsyncClient, path: str
) -> None:
    response = await client.post(f"/api/v1/auth/{path}", json={"k": "x" * (16 << 10)})

    assert response.status_code == 413
    assert response.json()["limit_bytes"] == 16 << 10


async def test_a_body_with_thousands_of_faults_is_answered_in_a_few_kilobytes(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post(
        "/api/v1/auth/login", json={f"k{number}": 1 for number in range(1500)}
    )

    assert response.status_code == 422
    assert len(response.content) < 4_096
    assert len(response.json()["errors"]) == 20
    assert response.json()["more_errors"] == 1482
