"""The Responses API and the Messages API on a real cluster, over two ingress replicas."""

import json
from typing import Any

import httpx
import pytest

from load_tests.benchmarks.common.local_serve import LocalServe

pytestmark = pytest.mark.every_profile

MESSAGES = [{"role": "user", "content": "one two three"}]
MESSAGE = {"model": "echo", "max_tokens": 16, "messages": MESSAGES}


async def respond(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await client.post("/v1/responses", json={"model": "echo", **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_whichever_replica_is_asked_a_response_is_continued(
    client: httpx.AsyncClient,
) -> None:
    first = await respond(client, input="one two")
    usage = first["usage"]["input_tokens"]

    for number in range(8):  # of two replicas, both are asked
        answer = await respond(
            client, input=f"and {number}", previous_response_id=first["id"], max_output_tokens=4
        )
        assert answer["usage"]["input_tokens"] > usage + first["usage"]["output_tokens"]
        assert (await client.get(f"/v1/responses/{answer['id']}")).json() == answer


async def test_a_deleted_response_is_gone_on_every_replica(client: httpx.AsyncClient) -> None:
    made = await respond(client, input="one two")
    path = f"/v1/responses/{made['id']}"

    assert (await client.delete(path)).status_code == 200
    assert {(await client.get(path)).status_code for _ in range(8)} == {404}


async def test_a_response_is_streamed_to_its_end(client: httpx.AsyncClient) -> None:
    body = {"model": "echo", "input": "one two three", "stream": True}
    names = []
    async with client.stream("POST", "/v1/responses", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))

    assert names[0] == "response.created"
    assert "response.output_text.delta" in names
    assert names[-1] in ("response.completed", "response.incomplete")


async def test_a_message_is_streamed_and_says_as_many_tokens_as_are_counted(
    client: httpx.AsyncClient,
) -> None:
    counted = {name: value for name, value in MESSAGE.items() if name != "max_tokens"}
    count = await client.post("/v1/messages/count_tokens", json=counted)
    whole = await client.post("/v1/messages", json=MESSAGE)
    events = []
    async with client.stream("POST", "/v1/messages", json=MESSAGE | {"stream": True}) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))

    assert count.json()["input_tokens"] == whole.json()["usage"]["input_tokens"] > 0
    texts = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(texts) == whole.json()["content"][0]["text"]
    assert events[-1] == {"type": "message_stop"}


async def test_keys_and_paths_of_other_clients_are_taken(cluster: LocalServe) -> None:
    azure = "/openai/deployments/echo/chat/completions"
    async with httpx.AsyncClient(base_url=cluster.url, timeout=30) as client:
        message = await client.post(
            "/v1/messages", json=MESSAGE, headers={"x-api-key": cluster.key}
        )
        chat = await client.post(
            azure, json={"messages": MESSAGES}, headers={"api-key": cluster.key}
        )
        nobody = await client.post("/v1/messages", json=MESSAGE)

    assert (message.status_code, chat.status_code) == (200, 200)
    assert nobody.json()["error"]["type"] == "authentication_error"
