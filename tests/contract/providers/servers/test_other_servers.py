"""Real servers as upstreams: what comes through Mobula is what they answer when asked directly.

Greedy requests are sent to the server and to a Mobula in front of it, with the same bodies; texts,
calls of tools, vectors and usage are compared.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.cli.requirements import MissingRequirement
from tests.contract.providers.servers.processes import (
    OtherServer,
    litellm_server,
    llama_server,
    nano_server,
)
from tests.upstream_server.application import GatewayApplication, gateway_application

pytestmark = pytest.mark.exhaustive

SERVERS = ("mobula", "llama-cpp-python", "litellm")
LAMP = {
    "type": "function",
    "function": {
        "name": "lamp",
        "description": "Switches the lamp.",
        "parameters": {
            "type": "object",
            "properties": {"on": {"type": "boolean"}},
            "required": ["on"],
            "additionalProperties": False,
        },
    },
}
SCHEMA = LAMP["function"]["parameters"]  # type: ignore[index]
MESSAGES = [{"role": "user", "content": "Say a word about the sea."}]


@pytest.fixture(scope="module")
def mobula(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherServer]:
    with nano_server(tmp_path_factory.mktemp("nano") / "home") as server:
        yield server


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OtherServer]:
    if request.param == "mobula":
        yield request.getfixturevalue("mobula")
        return
    scratch = tmp_path_factory.mktemp("server")
    with ExitStack() as stack:
        try:
            if request.param == "litellm":
                behind = request.getfixturevalue("mobula")
                yield stack.enter_context(litellm_server(behind, scratch))
            else:
                yield stack.enter_context(llama_server(scratch))
        except MissingRequirement as missing:
            pytest.skip(str(missing))


@pytest.fixture
async def gateway(
    server: OtherServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[GatewayApplication]:
    monkeypatch.setenv("OTHER_KEY", server.key)
    common = {"engine": "openai", "base_url": server.url, "key_env": "OTHER_KEY"}
    ids = {server.chat_model, server.tool_model}
    models = [{"id": name, "max_output_tokens": 200, **common} for name in sorted(ids)]
    embeddings = [{"id": server.embedding_model, **common}]
    async with gateway_application(tmp_path / "home", models, embeddings) as application:
        yield application


async def both(
    gateway: GatewayApplication, server: OtherServer, path: str, body: dict[str, Any]
) -> tuple[httpx.Response, httpx.Response]:
    """The answers of the server and of Mobula, to the same bytes."""
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    async with httpx.AsyncClient(headers={**server.headers, **headers}, timeout=120) as client:
        direct = await client.post(f"{server.url}{path}", content=content)
    through = await gateway.client.post(f"/v1{path}", content=content, headers=headers)
    assert direct.status_code == through.status_code == 200, (direct.text, through.text)
    return direct, through


def greedy(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": MESSAGES, "temperature": 0, "max_tokens": 24, **fields}


def whole(response: httpx.Response) -> dict[str, Any]:
    """What is compared of an answer."""
    body = response.json()
    [choice] = body["choices"]
    message = choice["message"]
    return {
        "text": message.get("content") or "",
        "calls": [call["function"] for call in message.get("tool_calls") or ()],
        "finish": choice["finish_reason"],
        "usage": [body["usage"][name] for name in ("prompt_tokens", "completion_tokens")],
    }


def streamed(response: httpx.Response) -> dict[str, Any]:
    """The same of a stream; its usage is None where it says nothing of it."""
    found: dict[str, Any] = {"text": "", "calls": [], "finish": None, "usage": None}
    for line in response.text.splitlines():
        if not line.startswith("data: {"):
            continue
        body = json.loads(line.removeprefix("data: "))
        if body.get("usage"):
            names = ("prompt_tokens", "completion_tokens")
            found["usage"] = [body["usage"][name] for name in names]
        for choice in body.get("choices", ()):
            delta = choice["delta"]
            found["text"] += delta.get("content") or ""
            found["finish"] = choice.get("finish_reason") or found["finish"]
            for call in delta.get("tool_calls") or ():
                if call["index"] == len(found["calls"]):
                    found["calls"].append({"name": call["function"]["name"], "arguments": ""})
                arguments = call["function"].get("arguments") or ""
                found["calls"][call["index"]]["arguments"] += arguments
    return found


async def test_a_chat(gateway: GatewayApplication, server: OtherServer) -> None:
    direct, through = await both(gateway, server, "/chat/completions", greedy(server.chat_model))

    assert whole(through) == whole(direct)
    assert whole(through)["text"]


async def test_a_stream(gateway: GatewayApplication, server: OtherServer) -> None:
    body = greedy(server.chat_model, stream=True, stream_options={"include_usage": True})
    direct, through = await both(gateway, server, "/chat/completions", body)

    expected, found = streamed(direct), streamed(through)
    if not server.reports_stream_usage:
        assert expected.pop("usage") is None
        assert found.pop("usage") is not None  # an estimate
    assert found == expected
    assert found["text"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_of_a_tool(
    gateway: GatewayApplication, server: OtherServer, stream: bool
) -> None:
    choice = {"type": "function", "function": {"name": "lamp"}}
    body = greedy(server.tool_model, tools=[LAMP], tool_choice=choice, max_tokens=120)
    body["stream"] = stream
    direct, through = await both(gateway, server, "/chat/completions", body)

    read = streamed if stream else whole
    expected, found = read(direct), read(through)
    if stream:
        del expected["usage"], found["usage"]
    assert found["calls"] == expected["calls"]
    [call] = found["calls"]
    assert call["name"] == "lamp"
    assert isinstance(json.loads(call["arguments"])["on"], bool)
    assert found["usage" if not stream else "text"] == expected["usage" if not stream else "text"]


async def test_a_schema(gateway: GatewayApplication, server: OtherServer) -> None:
    schema = {"name": "lamp", "schema": SCHEMA, "strict": True}
    body = greedy(server.tool_model, response_format={"type": "json_schema", "json_schema": schema})
    if not server.has_schemas:
        response = await gateway.client.post("/v1/chat/completions", json=body)
        assert response.status_code >= 400
        assert response.json()["error"]["message"]
        return
    direct, through = await both(gateway, server, "/chat/completions", body)

    assert whole(through) == whole(direct)
    assert isinstance(json.loads(whole(through)["text"])["on"], bool)


async def test_embeddings(gateway: GatewayApplication, server: OtherServer) -> None:
    body = {"model": server.embedding_model, "input": ["the sea", "a mountain"]}
    direct, through = await both(gateway, server, "/embeddings", body)

    expected, found = direct.json(), through.json()
    for ours, theirs in zip(found["data"], expected["data"], strict=True):
        assert ours["index"] == theirs["index"]
        assert ours["embedding"] == pytest.approx(theirs["embedding"], abs=1e-6)
    assert found["usage"]["prompt_tokens"] == expected["usage"]["prompt_tokens"]


@pytest.fixture
async def by_messages(
    mobula: OtherServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[GatewayApplication]:
    """In front of another Mobula, which it asks through Anthropic's API."""
    monkeypatch.setenv("OTHER_KEY", mobula.key)
    common = {"engine": "anthropic", "base_url": mobula.url.removesuffix("/v1")}
    models = [
        {"id": name, "max_output_tokens": 200, "key_env": "OTHER_KEY", **common}
        for name in (mobula.chat_model, mobula.tool_model)
    ]
    async with gateway_application(tmp_path / "home", models) as application:
        yield application


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_by_anthropics_api(
    by_messages: GatewayApplication, mobula: OtherServer, stream: bool
) -> None:
    body = greedy(mobula.chat_model)
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    direct, through = await both(by_messages, mobula, "/chat/completions", body)

    read = streamed if stream else whole
    assert read(through) == read(direct)
    assert read(through)["text"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_of_a_tool_by_anthropics_api(
    by_messages: GatewayApplication, mobula: OtherServer, stream: bool
) -> None:
    choice = {"type": "function", "function": {"name": "lamp"}}
    body = greedy(mobula.tool_model, tools=[LAMP], tool_choice=choice, max_tokens=120)
    body["stream"] = stream
    direct, through = await both(by_messages, mobula, "/chat/completions", body)

    read = streamed if stream else whole
    [expected], [found] = read(direct)["calls"], read(through)["calls"]
    assert found["name"] == expected["name"] == "lamp"
    assert json.loads(found["arguments"]) == json.loads(expected["arguments"])


async def test_a_schema_by_anthropics_api(
    by_messages: GatewayApplication, mobula: OtherServer
) -> None:
    """It is a tool there."""
    schema = {"name": "lamp", "schema": SCHEMA, "strict": True}
    output = {"type": "json_schema", "json_schema": schema}
    body = greedy(mobula.tool_model, response_format=output, max_tokens=120)
    response = await by_messages.client.post("/v1/chat/completions", json=body)

    assert response.status_code == 200, response.text
    found = whole(response)
    assert isinstance(json.loads(found["text"])["on"], bool)
    assert (found["finish"], found["calls"]) == ("stop", [])
