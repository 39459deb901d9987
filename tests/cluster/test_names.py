"""Other names of models over real HTTP, and defaults that reach every replica."""

from typing import Any

import httpx
import pytest

from tests.cluster.polling import eventually

CHAT = "/v1/chat/completions"
MODELS, SETTINGS = "/v1/models", "/api/v1/tenants/default/settings"
REPEATED = 8  # requests, so that every ingress replica gets one


async def ask(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4, **fields}
    return await client.post(CHAT, json=body)


@pytest.mark.every_profile
@pytest.mark.parametrize("name", ["gpt-4o-mini", "openai/echo"])
async def test_a_name_is_answered_by_its_model(client: httpx.AsyncClient, name: str) -> None:
    whole = await ask(client, model=name)
    streamed = await ask(client, model=name, stream=True)

    assert whole.json()["model"] == "echo"
    assert whole.headers["mobula-model"] == streamed.headers["mobula-model"] == "echo"
    assert '"model":"echo"' in streamed.text
    assert (await client.get(f"{MODELS}/{name}")).json()["root"] == "echo"


@pytest.mark.every_profile
async def test_replicas_agree_about_a_choice(client: httpx.AsyncClient) -> None:
    chosen = []
    for number in range(REPEATED):
        headers = {"X-Request-ID": f"canary-request-{number}"}
        body = {"model": "canary", "messages": [{"role": "user", "content": "hi"}]}
        answers = [
            await client.post(CHAT, json=body | {"max_tokens": 1}, headers=headers)
            for _ in range(4)
        ]
        models = {answer.json()["model"] for answer in answers}
        assert len(models) == 1
        chosen += models
    assert set(chosen) == {"echo", "slow"}


@pytest.mark.every_profile
async def test_a_default_reaches_every_replica(client: httpx.AsyncClient) -> None:
    async def answered() -> set[str]:
        answers = [await ask(client, max_tokens=1) for _ in range(REPEATED)]
        return {str(each.json().get("model", each.status_code)) for each in answers}

    assert await answered() == {"400"}
    try:
        for model in ("echo", "slow"):
            await client.patch(SETTINGS, json={"default_model": model})

            async def is_everywhere(expected: str = model) -> bool:
                return await answered() == {expected}

            await eventually(is_everywhere)
    finally:
        await client.patch(SETTINGS, json={"default_model": None})
