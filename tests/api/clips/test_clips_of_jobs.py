"""What callers see of clips: links that open, and the same by handle; and what can be done here."""

import json
from typing import Any

import httpx
import pytest

from cluster.runtime.problems import Forbidden, InvalidRequest, NotFound
from deployments.contracts.jobs import JobLease, JobResult
from deployments.video.job_spec import CLIPS
from tests.api.clips.clip_world import ClipWorld
from tests.api.videos.media_world import PLAIN, READER, STRANGER, WRITER

FILM, PICTURE = b"a short film", b"a picture"
FOUND = {
    "start": 12.0,
    "end": 31.5,
    "score": 0.9,
    "scores": {"loudness": 0.9},
    "evidence": [{"signal": "loudness", "start": 12.0, "end": 20.0, "note": "loud"}],
    "excerpt": "Here is the secret",
}


async def begun(world: ClipWorld, client: httpx.AsyncClient) -> JobLease:
    """A job that a worker has taken, which planned two clips."""
    video = await world.video()
    assert (await client.post(f"/api/v1/videos/{video.id}/clips", json={})).status_code == 202
    lease = await world.media.jobs.claim("w1", (CLIPS,), 60.0)
    assert lease is not None
    for number in (1, 2):
        await world.media.jobs.set_part(lease, number, "planned", FOUND)
    return lease


async def ready(world: ClipWorld, lease: JobLease, number: int) -> None:
    """The clip is there, with its files."""
    files = []
    for kind, name, data, media_type in (
        ("video", "9x16.mp4", FILM, "video/mp4"),
        ("thumbnail", "9x16.jpg", PICTURE, "image/jpeg"),
    ):
        path = f"clips/{lease.job.id}/{number}/{name}"
        kept = await world.media.files.put("acme", path, data, media_type, None)
        files.append(
            {"kind": kind, "path": path, "media_type": media_type, "aspect": "9:16"}
            | {"bytes": kept.bytes, "sha256": kept.sha256, "width": 360, "height": 640}
        )
    await world.media.jobs.set_part(lease, number, "ready", {**FOUND, "files": files})


async def clips(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/jobs/{job}/clips")
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def test_clips_are_of_use_while_their_job_still_runs(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    lease = await begun(world, client)
    await ready(world, lease, 1)

    said = await clips(client, lease.job.id)

    assert (said["job"], said["video"]) == (lease.job.id, lease.job.subject)
    assert said["state"] == "running"
    first, second = said["data"]
    assert (first["state"], second["state"]) == ("ready", "planned")
    assert (first["start"], first["duration"], first["score"]) == (12.0, 19.5, 0.9)
    assert first["evidence"] == FOUND["evidence"]
    assert second["files"] == []


async def test_links_open_without_a_key_and_show_no_paths(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    lease = await begun(world, client)
    await ready(world, lease, 1)
    film, thumbnail = (await clips(client, lease.job.id))["data"][0]["files"]

    assert "path" not in film
    assert lease.job.id not in film["url"]
    async with world.client(None) as anyone:
        got = await anyone.get(film["url"])
        part = await anyone.get(film["url"], headers={"Range": "bytes=2-6"})
        still = await anyone.get(thumbnail["url"])
        forged = await anyone.get(film["url"][:-4] + "AAAA")
    assert (got.status_code, got.content) == (200, FILM)
    assert got.headers["content-type"] == "video/mp4"
    assert "clip-1-9x16.mp4" in got.headers["content-disposition"]
    assert (part.status_code, part.content) == (206, FILM[2:7])
    assert still.content == PICTURE
    assert forged.status_code == 404


async def test_a_clip_that_could_not_be_made_says_why(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    lease = await begun(world, client)
    problem = {"slug": "media-damaged", "detail": "It could not be decoded."}
    await world.media.jobs.set_part(lease, 1, "failed", {**FOUND, "problem": problem})

    first = (await clips(client, lease.job.id))["data"][0]

    assert (first["state"], first["problem"], first["files"]) == ("failed", problem, [])


async def test_another_tenant_s_clips_are_not_there(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    lease = await begun(world, client)
    path = f"/api/v1/jobs/{lease.job.id}/clips"

    for key, status in ((STRANGER, 404), (PLAIN, 403), (READER, 200), (None, 401)):
        async with world.client(key) as other:
            assert (await other.get(path)).status_code == status, key


async def test_deleting_a_job_takes_its_clips_along(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    lease = await begun(world, client)
    await ready(world, lease, 1)
    url = (await clips(client, lease.job.id))["data"][0]["files"][0]["url"]
    await world.media.jobs.finish(lease, JobResult("succeeded"))

    assert (await client.delete(f"/api/v1/jobs/{lease.job.id}")).status_code == 204
    assert (await client.get(url)).status_code in (404, 410)


async def test_handles_order_clips_and_see_them(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    handles, video = world.handles(), await world.video()
    body = json.dumps({"video": video.id, "count": 1}).encode()

    made = await handles.call(WRITER, "clips", body, 10.0)
    asked = json.dumps({"job": made["id"]}).encode()
    found = await handles.call(READER, "jobs.get", asked, 10.0)

    assert (made["object"], made["state"], made["subject"]) == ("job", "queued", video.id)
    assert "spec" not in made
    assert (found["id"], found["clips"]) == (made["id"], [])
    lease = await world.media.jobs.claim("w1", (CLIPS,), 60.0)
    assert lease is not None
    await ready(world, lease, 1)
    [clip] = (await handles.call(READER, "jobs.get", asked, 10.0))["clips"]
    assert (await client.get(clip["files"][0]["url"])).content == FILM


async def test_handles_keep_scopes_and_tenants_apart(world: ClipWorld) -> None:
    handles, video = world.handles(), await world.video()
    order = json.dumps({"video": video.id}).encode()
    made = await handles.call(WRITER, "clips", order, 10.0)
    asked = json.dumps({"job": made["id"]}).encode()

    for key, operation, body, refusal in (
        (READER, "clips", order, Forbidden),
        (STRANGER, "clips", order, NotFound),
        (PLAIN, "jobs.get", asked, Forbidden),
        (STRANGER, "jobs.get", asked, NotFound),
    ):
        with pytest.raises(refusal):
            await handles.call(key, operation, body, 10.0)


async def test_an_installation_says_what_it_can_do_and_why_not(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/capabilities")

    assert answer.status_code == 200
    said = answer.json()
    assert set(said["abilities"]) == {
        "render", "gpu_encode", "sandbox", "speech_to_text", "face_detection", "texts",
    }  # fmt: skip
    assert said["abilities"]["render"]["available"]
    for name, ability in said["abilities"].items():
        assert ability["detail"], name
    assert not said["abilities"]["speech_to_text"]["available"]
    assert said["aspects"] == ["9:16", "1:1", "4:5", "16:9"]
    assert {"none", "karaoke"} <= set(said["caption_styles"])
    assert said["qualities"] == ["draft", "standard", "final"]
    assert said["limits"]["max_duration_s"] == 14_400.0
    assert said["limits"]["max_form_bytes"] > 0


async def test_a_failed_job_leaves_no_clips_that_nobody_pays_for(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    lease = await begun(world, client)
    await ready(world, lease, 1)
    stored = await world.media.files.used("acme")
    await world.media.jobs.fail(lease, InvalidRequest("None of the clips could be made."))

    assert await world.media.files.used("acme") == stored - len(FILM) - len(PICTURE)
