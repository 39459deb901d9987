"""`"save": true`: what is generated becomes a draft, once, or is not generated at all."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from cluster.administration.library import LibraryService
from cluster.idempotency.store import IdempotencyStore
from cluster.library.model import LibraryLimits
from cluster.runtime.clock import SystemClock
from deployments.ingress.http.app import create_app
from tests.api.administration.world import World
from tests.api.fakes import WordsModel
from tests.api.library.posting import POSTS
from tests.api.web import client_of

CAPTIONS = "/api/v1/captions"
BRIEF = {"topic": "a\ttea room", "platform": "x", "save": True, "model": "words"}


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """With idempotency keys, as the owner."""
    directory = world.services.authenticator
    secret_of = directory.secret_of  # type: ignore[attr-defined]
    store = IdempotencyStore(world.database, secret_of, SystemClock())
    app = create_app(replace(world.services, idempotency=store))
    async with client_of(app, world.credentials["owner"]) as client:
        yield client
    await store.close()


async def saved(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    listed = (await client.get(f"{POSTS}?order=oldest")).json()["data"]
    return [post for post in listed if post["id"] != "tea"]


async def test_the_best_variant_becomes_a_draft(client: httpx.AsyncClient) -> None:
    answer = (await client.post(CAPTIONS, json=BRIEF)).json()

    post = (await client.get(f"{POSTS}/{answer['post_id']}")).json()
    assert (post["status"], post["title"], post["platform"]) == ("draft", "a tea room", "x")
    assert (post["body"], post["language"]) == (answer["variants"][0]["text"], "English")
    [version] = (await client.get(f"{POSTS}/{post['id']}/versions")).json()["data"]
    assert (version["origin"], version["candidate"]) == ("generated", False)
    assert version["scores"]["score"] == answer["variants"][0]["score"]
    without = (await client.post(CAPTIONS, json={**BRIEF, "save": False})).json()
    assert "post_id" not in without


@pytest.mark.parametrize("stream", [False, True])
async def test_a_repeated_request_saves_nothing_twice(
    client: httpx.AsyncClient, stream: bool
) -> None:
    body, headers = {**BRIEF, "stream": stream}, {"Idempotency-Key": "once"}
    first = await client.post(CAPTIONS, json=body, headers=headers)
    second = await client.post(CAPTIONS, json=body, headers=headers)

    assert second.content == first.content
    [post] = await saved(client)
    assert f'"post_id":"{post["id"]}"' in first.text


async def test_a_full_library_is_refused_before_anything_is_generated(
    world: World, client: httpx.AsyncClient, model: WordsModel
) -> None:
    full: LibraryService = world.office.library
    full._posts._limits = LibraryLimits(max_posts=1)

    refused = await client.post(CAPTIONS, json=BRIEF)

    assert (refused.status_code, refused.json()["limit"]) == (409, 1)
    assert model.requests == []


async def test_who_may_not_write_to_the_library_may_not_save(
    world: World, model: WordsModel
) -> None:
    refused = await world.ask("generate", "POST", CAPTIONS, json=BRIEF)

    assert (refused.status_code, refused.json()["required_scope"]) == (403, "library:write")
    assert model.requests == []


BATCH = {"items": [{"topic": "tea", "platform": "x"}, {"topic": "cake", "style": "gothic"}]}


async def test_a_batch_saves_each_item_that_was_written_once(client: httpx.AsyncClient) -> None:
    body, headers = {**BATCH, "save": True}, {"Idempotency-Key": "all"}
    first = await client.post(f"{CAPTIONS}/batch", json=body, headers=headers)
    second = await client.post(f"{CAPTIONS}/batch", json=body, headers=headers)

    assert second.content == first.content
    written, refused = first.json()["results"]
    [post] = await saved(client)
    assert (post["id"], post["title"]) == (written["result"]["post_id"], "tea")
    assert refused["status"] == "failed"
    without = (await client.post(f"{CAPTIONS}/batch", json=BATCH)).json()
    assert "post_id" not in without["results"][0]["result"]


async def test_a_batch_that_the_library_cannot_hold_is_refused_before_anything_is_generated(
    world: World, client: httpx.AsyncClient, model: WordsModel
) -> None:
    full: LibraryService = world.office.library
    full._posts._limits = LibraryLimits(max_posts=2)  # one is there

    refused = await client.post(f"{CAPTIONS}/batch", json={**BATCH, "save": True})

    assert (refused.status_code, refused.json()["limit"]) == (409, 2)
    assert model.requests == []
