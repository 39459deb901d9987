"""A provider's models through the routes of the application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from deployments.ingress.schemas.answers import ChatCompletion
from tests.contract.providers.polling import until
from tests.upstream_server.answers import UpstreamAnswer
from tests.upstream_server.application import GatewayApplication, gateway_application
from tests.upstream_server.content_faults import answers
from tests.upstream_server.exchange import answer_rightly
from tests.upstream_server.provider_models import KEYS, model_settings
from tests.upstream_server.server import UpstreamServer

MESSAGES = [{"role": "user", "content": "hello"}]
CHAT: dict[str, Any] = {"model": "m", "messages": MESSAGES}


pytestmark = pytest.mark.asyncio(loop_scope="module")  # that of `shared_gateway`


@asynccontextmanager
async def gateway_to(upstream: UpstreamServer, home: Path) -> AsyncIterator[GatewayApplication]:
    model = model_settings([upstream], provider="acme-ai", check=True)
    embedding = {"id": "e", "engine": "openai", "base_url": upstream.url, "check": False}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        async with gateway_application(home, [model], [embedding]) as application:
            yield application


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_upstream() -> AsyncIterator[UpstreamServer]:
    async with UpstreamServer() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway(
    shared_upstream: UpstreamServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GatewayApplication]:
    async with gateway_to(shared_upstream, tmp_path_factory.mktemp("routes") / "home") as shared:
        yield shared


@pytest.fixture
def upstream(shared_upstream: UpstreamServer) -> UpstreamServer:
    """As it was when it began."""
    shared_upstream.default = answer_rightly
    shared_upstream.requests.clear()
    return shared_upstream


@pytest.fixture
def gateway(shared_gateway: GatewayApplication, upstream: UpstreamServer) -> GatewayApplication:
    return shared_gateway


@pytest.fixture
def client(gateway: GatewayApplication) -> httpx.AsyncClient:
    return gateway.client


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    response = await client.post(path, json=body)
    return {"status": response.status_code, **response.json()}


async def test_reasoning_is_in_the_answer_and_in_its_usage(
    client: httpx.AsyncClient, upstream: UpstreamServer
) -> None:
    answer = UpstreamAnswer(reasoning="let me see", output_tokens=9, reasoning_tokens=4)
    upstream.default = answers(answer)

    response = await client.post("/v1/chat/completions", json=CHAT)
    completion = ChatCompletion.model_validate(response.json())

    assert completion.choices[0].message.reasoning_content == "let me see"
    assert completion.usage.completion_tokens_details is not None
    assert completion.usage.completion_tokens_details.reasoning_tokens == 4


async def test_reasoning_is_streamed(gateway: GatewayApplication, upstream: UpstreamServer) -> None:
    upstream.default = answers(replace(UpstreamAnswer(), reasoning="let me see"))
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key) as openai:
        stream = await openai.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        deltas = [chunk.choices[0].delta async for chunk in stream if chunk.choices]

    reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert reasoning == "let me see"
    assert "".join(delta.content or "" for delta in deltas) == UpstreamAnswer().text


async def test_the_list_names_the_provider_as_owner(client: httpx.AsyncClient) -> None:
    [model] = [each for each in (await client.get("/v1/models")).json()["data"]
               if each["id"] == "m"]  # fmt: skip

    assert (model["owned_by"], model["engine"], model["ready"]) == ("acme-ai", "openai", True)


async def test_a_deterministic_answer_is_cached(
    client: httpx.AsyncClient, upstream: UpstreamServer
) -> None:
    body = {**CHAT, "temperature": 0}

    async def cache_status() -> str:
        response = await client.post("/v1/chat/completions", json=body)
        return response.headers.get("cache-status", "")

    texts = [await cache_status() for _ in range(20)]

    assert any("hit" in text for text in texts[1:])


async def test_a_provider_that_is_away_leaves_the_replica_ready(tmp_path: Path) -> None:
    async with UpstreamServer() as upstream, gateway_to(upstream, tmp_path / "home") as gateway:
        await upstream.kill()
        await gateway.client.post("/v1/chat/completions", json=CHAT)

        async def status() -> str:
            health = await gateway.operator.get("/health")
            return str(health.json()["models"]["m"]["status"])

        async with asyncio.timeout(10):
            while await status() == "ok":  # noqa: ASYNC110  cards are kept for two seconds
                await asyncio.sleep(0.1)
        assert (await gateway.operator.get("/readyz")).status_code == 200


async def test_a_provider_has_no_tokenizer(client: httpx.AsyncClient) -> None:
    found = await post(client, "/tokenize", model="m", prompt="hello")

    assert found["status"] == 501
    assert found["error"]["code"] == "no_tokenizer"


async def test_tokens_are_counted_by_estimate_and_marked(client: httpx.AsyncClient) -> None:
    found = await post(client, "/v1/messages/count_tokens", model="m", messages=MESSAGES)

    assert (found["input_tokens"], found["estimated"]) == (2, True)


async def test_other_apis_answer_by_a_providers_model(client: httpx.AsyncClient) -> None:
    message = await post(client, "/v1/messages", **CHAT, max_tokens=5)
    response = await post(client, "/v1/responses", model="m", input="hello")

    assert message["content"][0]["text"] == UpstreamAnswer().text
    assert response["output"][0]["content"][0]["text"] == UpstreamAnswer().text


async def test_embeddings_are_a_providers_too(client: httpx.AsyncClient) -> None:
    found = await post(client, "/v1/embeddings", model="e", input=["one", "two"])

    assert len(found["data"]) == 2
    assert found["usage"]["prompt_tokens"] > 0


async def test_what_a_provider_does_not_have_is_refused_by_name(
    client: httpx.AsyncClient, upstream: UpstreamServer
) -> None:
    found = await post(client, "/v1/chat/completions", **CHAT, top_k=3)

    assert (found["status"], found["error"]["param"]) == (400, "top_k")
    assert [request for request in upstream.requests if request.method == "POST"] == []


async def test_a_listed_model_is_called_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UP_KEY", KEYS["UP_KEY"])
    async with UpstreamServer() as upstream:
        await require_listed_models(upstream, tmp_path / "home")


async def require_listed_models(upstream: UpstreamServer, home: Path) -> None:
    listed = {"id": "open", "engine": "openai", "base_url": upstream.url, "discover": True}
    models = [model_settings([upstream]), {**listed, "key_env": "UP_KEY", "check": False}]
    async with gateway_application(home, models) as gateway:
        registry = gateway.running.services.models
        await until(lambda: "open/up" in registry.ids)

        completion = await post(
            gateway.client, "/v1/chat/completions", **CHAT | {"model": "open/up"}
        )

        assert completion["status"] == 200
        assert completion["model"] == "open/up"
        assert upstream.requests[-1].json["model"] == "up"
        unknown = await post(gateway.client, "/v1/chat/completions", **CHAT | {"model": "open/no"})
        assert unknown["status"] == 404
