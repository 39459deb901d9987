"""Posts of acme and of other, by the routes of the library."""

from typing import Any

import httpx

from tests.api.administration.world import World

POSTS = "/api/v1/library/posts"


async def create(world: World, caller: str = "developer", **post: Any) -> httpx.Response:
    made = await world.ask(caller, "POST", POSTS, json={"body": "Coffee on the roof", **post})
    assert made.status_code == 201, made.text
    return made


async def move(
    world: World, caller: str, post: str, transition: str, tag: str = "*", **more: Any
) -> httpx.Response:
    body = {"transition": transition, **more}
    path = f"{POSTS}/{post}/transitions"
    return await world.ask(caller, "POST", path, json=body, headers={"If-Match": tag})


async def moved(world: World, post: str, *transitions: str, **more: Any) -> dict[str, Any]:
    """By the owner, who may all."""
    answer: dict[str, Any] = {}
    for transition in transitions:
        fields = more if transition == transitions[-1] else {}
        response = await move(world, "owner", post, transition, **fields)
        assert response.status_code == 200, response.text
        answer = response.json()
    return answer
