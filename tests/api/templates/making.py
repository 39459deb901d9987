"""Templates of acme, made by its owner."""

from typing import Any

import httpx

from tests.api.administration.world import World

TEMPLATES = "/api/v1/templates"
CHAT_PATH = "/v1/chat/completions"
REPLY = {
    "id": "reply",
    "messages": [
        {"role": "system", "content": "You write for {{ brand }}."},
        {"role": "user", "content": "Answer {{ name }}."},
    ],
    "variables": {"brand": {"default": "Acme"}, "name": {"max_length": 10}},
    "defaults": {"model": "words", "temperature": 0.25, "max_tokens": 7, "stop": ["!"]},
}
TOPIC = {
    "id": "topic",
    "text": "Write about {{ product }}",
    "variables": {"product": {}},
    "defaults": {"model": "words"},
}


async def make(world: World, **template: Any) -> None:
    """A template whose first version is active."""
    made = await world.ask("owner", "POST", TEMPLATES, json=template)
    assert made.status_code == 201, made.text
    await activate(world, template["id"], 1)


async def add_version(world: World, id: str, **version: Any) -> int:
    made = await world.ask("owner", "POST", f"{TEMPLATES}/{id}/versions", json=version)
    assert made.status_code == 201, made.text
    return int(made.json()["version"])


async def activate(world: World, id: str, version: int) -> None:
    path = f"{TEMPLATES}/{id}/activate"
    moved = await world.ask("owner", "POST", path, json={"version": version})
    assert moved.status_code == 200, moved.text


async def chat(world: World, caller: str = "generate", **body: Any) -> httpx.Response:
    return await world.ask(caller, "POST", CHAT_PATH, json=body)


def used(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, **more}
