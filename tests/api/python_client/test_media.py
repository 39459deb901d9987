"""Recordings up, clips ordered and waited for, files down; beside the same by handle."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from deployments.contracts.jobs import JobResult
from deployments.video.job_spec import CLIPS
from mobula_client import NotFound, Problem
from tests.api.clips.clip_world import ClipWorld, opened
from tests.api.fakes import Records
from tests.api.python_client.conftest import Client, MakeClient, call, transport_of
from tests.api.videos import media_world
from tests.api.videos.media_world import WRITER
from tests.api.web import MakeServices

FILM = b"a short film"
CLIP = {
    "start": 12.0,
    "end": 31.5,
    "score": 0.9,
    "scores": {"loudness": 0.9},
    "evidence": [],
    "excerpt": "Here is the secret",
}


@pytest.fixture
async def world(
    make_services: MakeServices, records: Records, tmp_path: Path
) -> AsyncIterator[ClipWorld]:
    async with opened(tmp_path, make_services(), records) as world:
        yield world


@pytest.fixture
def mobula(make_client: MakeClient, world: ClipWorld) -> Client:
    return make_client(transport_of(world.app), WRITER)


async def worked_off(world: ClipWorld) -> None:
    """A worker takes the job and makes a clip of one file."""
    jobs = world.media.jobs
    lease = await jobs.claim("w1", (CLIPS,), 60.0)
    assert lease is not None
    path = f"clips/{lease.job.id}/1/9x16.mp4"
    stored = await world.media.files.put("acme", path, FILM, "video/mp4", None)
    file = {"kind": "video", "path": path, "media_type": "video/mp4", "aspect": "9:16"}
    file |= {"bytes": stored.bytes, "sha256": stored.sha256, "width": 360, "height": 640}
    await jobs.set_part(lease, 1, "ready", {**CLIP, "files": [file]})
    await jobs.finish(lease, JobResult("succeeded"))


async def clipped(world: ClipWorld, mobula: Client, video: str) -> Any:
    """The job of one order, which the client waits for while a worker does it."""
    once = mobula.with_options(idempotency_key="order-17")
    await call(once, "clip", video, wait=False)
    job, _ = await asyncio.gather(call(once, "clip", video), worked_off(world))
    return job


async def test_clips_are_waited_for_and_saved(
    world: ClipWorld, mobula: Client, tmp_path: Path
) -> None:
    video = await world.video()

    job = await clipped(world, mobula, video.id)
    [clip] = job["clips"]
    target = tmp_path / "clip.mp4"
    await call(mobula, "download", clip["files"][0], target)

    assert (job["state"], clip["state"]) == ("succeeded", "ready")
    assert target.read_bytes() == FILM
    body = orjson.dumps({"job": job["id"]})
    by_handle = await world.handles().call(WRITER, "jobs.get", body, 10.0)
    assert job.keys() <= by_handle.keys()


async def test_a_damaged_download_leaves_the_target_as_it_was(
    world: ClipWorld, mobula: Client, tmp_path: Path
) -> None:
    video = await world.video()
    job = await clipped(world, mobula, video.id)
    target = tmp_path / "clip.mp4"
    target.write_bytes(b"before")

    file = {**job["clips"][0]["files"][0], "sha256": "0" * 64}

    with pytest.raises(Problem, match="damaged"):
        await call(mobula, "download", file, target)
    assert target.read_bytes() == b"before"
    assert not target.with_name(".clip.mp4.part").exists()


async def test_an_order_is_one_job_under_its_key(world: ClipWorld, mobula: Client) -> None:
    video = await world.video()
    once = mobula.with_options(idempotency_key="order-17")

    first = await call(once, "clip", video.id, wait=False, count=2)
    second = await call(once, "clip", video.id, wait=False, count=2)
    other = await call(mobula, "clip", video.id, wait=False, count=2)

    assert first["state"] == "queued"
    assert first["id"] == second["id"] != other["id"]


async def test_clips_of_an_unknown_video_are_refused(mobula: Client) -> None:
    with pytest.raises(NotFound):
        await call(mobula, "clip", "vid_" + "0" * 24)


async def test_a_file_becomes_a_video(
    make_client: MakeClient, make_services: MakeServices, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("mobula_client.media_calls.CHUNK_BYTES", 41)
    file = tmp_path / "Ünser Film.mp4"
    file.write_bytes(media_world.film(3.0, 100))

    async with media_world.opened(tmp_path, make_services()) as world:
        mobula = make_client(transport_of(world.app), WRITER)
        video = await call(mobula, "upload", file)
        async with world.client() as http:
            answer = (await http.get(f"/api/v1/videos/{video}")).json()

    assert (answer["state"], answer["name"]) == ("ready", "Ünser Film.mp4")
