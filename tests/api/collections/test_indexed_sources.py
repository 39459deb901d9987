"""Posts of the library and transcripts become points of a collection by a job."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from deployments.collections.source_handler import IndexSourcesHandler
from deployments.collections.source_job import SourceText
from deployments.contracts.jobs import Job
from tests.api.administration.world import World
from tests.api.collections.test_collection_routes import ask, find, make


@pytest.fixture
async def running(world: World) -> World:
    """The world, whose jobs run."""
    await world.jobs.start()
    return world


async def indexed(world: World, name: str, **sources: Any) -> dict[str, Any]:
    """The job once it has ended."""
    ordered = await ask(world, "POST", f"/{name}/sources", json=sources)
    assert ordered.status_code == 202, ordered.text
    async with asyncio.timeout(20):
        while True:
            job = (await world.ask("owner", "GET", ordered.headers["location"])).json()
            if job["state"] in ("succeeded", "failed"):
                return dict(job)
            await asyncio.sleep(0.02)


async def test_posts_of_the_library_are_found(running: World) -> None:
    await make(running, name="c")

    job = await indexed(running, "c", posts={})
    again = await indexed(running, "c", posts={"statuses": ["draft"]})

    assert (job["state"], job["result"]["points"]) == ("succeeded", 1)
    assert again["result"]["points"] == 1
    assert await find(running, "c", text="tea") == ["post:tea"]
    [point] = (await ask(running, "GET", "/c/points")).json()["data"]
    assert point["text"] == "Tea\nTea on the roof"
    assert point["payload"] == {
        "post": "tea", "title": "Tea", "status": "draft", "platform": "x", "language": "English",
        "tags": ["spring"], "version": 1,
    }  # fmt: skip


async def test_posts_that_meet_no_condition_stay_away(running: World) -> None:
    await make(running, name="c")

    job = await indexed(running, "c", posts={"statuses": ["published"]})

    assert (job["state"], job["result"]["points"]) == ("succeeded", 0)


class LongRecording:
    """A reader whose recording has 70 passages."""

    async def posts(self, *asked: Any) -> tuple[Sequence[SourceText], str | None]:
        return (), None

    async def recording(self, job: Job, recording: str) -> Sequence[SourceText]:
        return [
            SourceText(f"recording:{recording}:{n:06d}", f"bee {n}", {"passage": n})
            for n in range(70)
        ]


async def test_a_transcript_is_indexed_passage_by_passage(running: World) -> None:
    await make(running, name="c")
    worker: Any = running.jobs._worker
    handler: IndexSourcesHandler = worker._handlers["index"]
    handler._reader = LongRecording()

    job = await indexed(running, "c", recordings=["talk", "other"])

    assert (job["state"], job["result"]["points"]) == ("succeeded", 140)
    assert (await ask(running, "GET", "/c")).json()["points"] == 140


async def test_a_recording_that_there_is_not_fails_the_job(running: World) -> None:
    await make(running, name="c")

    job = await indexed(running, "c", recordings=["none"])

    assert (job["state"], job["problem"]["status"]) == ("failed", 404)


@pytest.mark.parametrize("body", [{}, {"posts": None}, {"recordings": []}, {"posts": {"x": 1}}])
async def test_an_order_names_something(world: World, body: dict[str, Any]) -> None:
    await make(world, name="c")

    assert (await ask(world, "POST", "/c/sources", json=body)).status_code == 422
