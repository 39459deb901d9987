"""A collection's vectors are made anew by a job, while it is searched and changed."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cluster.collections.model import PointDraft
from cluster.collections.points import PointRepository
from cluster.runtime.clock import SystemClock
from cluster.usage.collected_usage import CollectedUsage
from deployments.collections.reindex_handler import ReindexHandler
from deployments.contracts.embedding import Vectors
from deployments.contracts.jobs import Job
from deployments.ingress.collections import CollectionServices
from tests.api.administration.world import World
from tests.api.collections.test_collection_routes import ask, find, make, put

ENDED = ("succeeded", "failed", "canceled")


@pytest.fixture
async def running(world: World) -> World:
    """The world, whose jobs run."""
    await world.jobs.start()
    return world


async def ended(world: World, job: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            shown = (await world.ask("owner", "GET", f"/api/v1/jobs/{job}")).json()
            if shown["state"] in ENDED:
                return dict(shown)
            await asyncio.sleep(0.02)


def services_of(world: World) -> CollectionServices:
    assert world.services.collections is not None
    return world.services.collections


class MarkedVectors:
    """Implements JobEmbedder: a model with three dimensions, which runs `before` a call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.before: Any = None

    async def embed_for(
        self,
        job: Job,
        model: str,
        texts: Sequence[str],
        dimensions: int | None,
        tags: tuple[str, ...],
        usage: CollectedUsage,
    ) -> Vectors:
        self.calls.append(tuple(texts))
        if self.before is not None:
            await self.before(len(self.calls))
        return np.array([[len(text), 1, 1] for text in texts], np.float32)


@pytest.fixture
def marked(world: World) -> MarkedVectors:
    """In place of the one that calls models."""
    vectors = MarkedVectors()
    worker: Any = world.jobs._worker
    handler: ReindexHandler = worker._handlers["reindex"]
    handler._embedder = vectors
    return vectors


async def test_a_reindexed_collection_answers_as_before(running: World) -> None:
    await make(running, name="c")
    await put(running, "c", {"id": "1", "text": "a"}, {"id": "2", "text": "dad"})
    ordered = await ask(running, "POST", "/c/reindex", json={})
    assert ordered.status_code == 202, ordered.text

    job = await ended(running, ordered.json()["id"])
    shown = (await ask(running, "GET", "/c")).json()

    assert (job["state"], job["result"]["points"]) == ("succeeded", 2)
    assert ordered.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (shown["generation"], shown["reindexing"], shown["points"]) == (2, None, 2)
    assert (await find(running, "c", text="dad"))[0] == "2"
    events = await running.ask("owner", "GET", "/api/v1/events?tenant=acme")
    kinds = [each["kind"] for each in events.json()["data"]]
    assert "collection.reindexed" in kinds


async def test_what_is_written_meanwhile_is_there_afterwards(
    running: World, marked: MarkedVectors
) -> None:
    await make(running, name="c")
    await put(running, "c", *({"id": str(n), "text": "a"} for n in range(3)))

    async def change(call: int) -> None:
        if call == 1:
            await put(running, "c", {"id": "0", "text": "dd"}, {"id": "new", "text": "b"})
            await ask(running, "POST", "/c/points/delete", json={"ids": ["1"]})
            assert sorted(await find(running, "c", text="a")) == ["0", "2", "new"]

    marked.before = change
    ordered = await ask(running, "POST", "/c/reindex", json={})
    assert (await ended(running, ordered.json()["id"]))["state"] == "succeeded"

    listed = (await ask(running, "GET", "/c/points?vectors=true")).json()["data"]
    assert [(each["id"], each["text"]) for each in listed] == [
        ("0", "dd"), ("2", "a"), ("new", "b"),
    ]  # fmt: skip
    assert {len(each["vector"]) for each in listed} == {3}


async def test_a_steady_writer_does_not_keep_a_reindexing_from_its_end(
    running: World, marked: MarkedVectors
) -> None:
    await make(running, name="c")
    await put(running, "c", {"id": "0", "text": "a"})
    refused = []

    async def change(call: int) -> None:
        answer = await put(running, "c", {"id": f"p{call}", "text": "a"})
        if answer.status_code != 200:
            refused.append(answer)

    marked.before = change
    ordered = await ask(running, "POST", "/c/reindex", json={})

    assert (await ended(running, ordered.json()["id"]))["state"] == "succeeded"
    assert refused[0].status_code == 503
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].json()["type"].endswith("collection-paused")
    shown = (await ask(running, "GET", "/c")).json()
    assert shown["points"] == len(marked.calls) + 1 - len(refused)


async def test_a_killed_worker_repeats_its_last_batch_only(
    running: World, marked: MarkedVectors
) -> None:
    services, made = services_of(running), await make(running, name="c")
    drafts = [PointDraft(f"p{n:02}", f"text {n}") for n in range(80)]
    collection = await services.get("acme", made["id"])
    async with running.database.begin() as connection:
        await PointRepository(SystemClock()).upsert(connection, "acme", collection, drafts)

    async def die(call: int) -> None:
        if call == 2:
            raise RuntimeError("killed")

    marked.before = die
    ordered = await ask(running, "POST", "/c/reindex", json={})

    assert (await ended(running, ordered.json()["id"]))["state"] == "succeeded"
    assert [len(each) for each in marked.calls] == [32, 32, 32, 16]
    assert marked.calls[1] == marked.calls[2]
    assert (await ask(running, "GET", "/c")).json()["points"] == 80


async def test_points_without_texts_cannot_be_reindexed(running: World) -> None:
    await make(running, name="own", model="none")
    await put(running, "own", {"id": "x", "vector": [1, 0]})
    ordered = await ask(running, "POST", "/own/reindex", json={"model": "letters"})

    job = await ended(running, ordered.json()["id"])

    assert (job["state"], "'x' has no text" in job["problem"]["detail"]) == ("failed", True)
    shown = (await ask(running, "GET", "/own")).json()
    assert (shown["model"], shown["reindexing"], shown["generation"]) == ("none", None, 1)
    assert await find(running, "own", vector=[1, 0]) == ["x"]


async def test_a_collection_is_reindexed_by_one_job_at_a_time(world: World) -> None:
    first = await ask(world, "POST", "/posts/reindex", json={})
    second = await ask(world, "POST", "/posts/reindex", json={})
    await world.ask("owner", "POST", f"/api/v1/jobs/{first.json()['id']}/cancel")
    third = await ask(world, "POST", "/posts/reindex", json={})

    assert (second.status_code, second.json()["job"]) == (409, first.json()["id"])
    assert third.status_code == 202


async def test_an_unknown_model_is_refused_before_the_job(world: World) -> None:
    refused = await ask(world, "POST", "/posts/reindex", json={"model": "nobody"})
    without = await ask(world, "POST", "/posts/reindex", json={"model": "none"})

    assert (refused.status_code, without.status_code) == (404, 400)


async def test_points_embedded_for_the_old_model_are_embedded_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = services_of(world)
    made = await services.get("acme", "posts")
    stale = replace(made, generation=made.generation + 1)
    looks = iter([stale, made])

    async def get(self: CollectionServices, tenant: str, name: str) -> Any:
        return next(looks)

    monkeypatch.setattr(CollectionServices, "get", get)
    stored = await put(world, "posts", {"id": "q", "text": "a cab"})

    assert stored.json()["usage"]["total_tokens"] == 4
