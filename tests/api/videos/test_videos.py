"""Recordings by form, what is told of them, transcripts beside them, and their end."""

import hashlib
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from deployments.contracts.jobs import NewJob
from deployments.video.catalog import GRACE_S
from tests.api.videos.media_world import PLAIN, READER, STRANGER, World, film
from tests.api.videos.tus_client import break_off
from tests.api.videos.video_forms import SRT, VIDEOS, bring


async def test_a_form_brings_a_video(client: httpx.AsyncClient, world: World) -> None:
    data = film(4.5, 3000)
    made = await bring(client, data)

    assert made == (await client.get(f"{VIDEOS}/{made['id']}")).json()
    assert (made["state"], made["name"], made["bytes"]) == ("ready", "talk.mp4", 3000)
    assert made["sha256"] == hashlib.sha256(data).hexdigest()
    assert made["media"] == {
        "container": "film", "duration_s": 4.5, "picture": None, "subtitles": [],
        "sound": [{
            "number": 1, "codec": "aac", "channels": 2, "sample_rate": 48_000, "language": None,
            "title": None, "default": False, "comment": False, "silent": None,
        }],
    }  # fmt: skip
    assert made["expires"] - made["created"] == 7 * 86_400
    kept = await world.media.files.stat("acme", f"videos/{made['id']}/source")
    assert (kept.sha256, kept.expires) == (made["sha256"], made["expires"] + GRACE_S)


async def test_a_form_may_bring_a_transcript_and_a_name_in_any_order(
    client: httpx.AsyncClient, world: World
) -> None:
    parts = [
        ("name", (None, "Opening")),
        ("transcript", ("talk.srt", SRT, "application/octet-stream")),
        ("file", ("x.mp4", film(), "video/mp4")),
    ]
    for order in (parts, parts[::-1]):
        answer = await client.post(VIDEOS, files=order)
        assert answer.status_code == 201, answer.text
        assert answer.json()["name"] == "Opening"
        assert answer.json()["transcript"]["kind"] == "srt"
        path = f"videos/{answer.json()['id']}/transcript"
        kept = await world.media.files.stat("acme", path)
        assert kept.media_type == "application/x-subrip"


@pytest.mark.parametrize(
    ("files", "status", "slug"),
    [
        pytest.param([("name", (None, "x"))], 422, "malformed-payload", id="no file"),
        pytest.param([("file", ("x", b"notes", ""))], 415, "media-refused", id="not a recording"),
        pytest.param([("file", ("x", b"", ""))], 415, "media-refused", id="empty"),
        pytest.param(
            [("file", ("x", film(), "")), ("file", ("y", film(), ""))], 422, "malformed-payload",
            id="two files",
        ),
        pytest.param(
            [("file", ("x", film(), "")), ("colour", (None, "red"))], 422, "malformed-payload",
            id="another field",
        ),
        pytest.param(
            [("file", ("x", film(), "")), ("transcript", ("x.srt", b"bad", ""))], 422,
            "transcript-refused", id="a transcript that cannot be read",
        ),
        pytest.param(
            [("file", ("x", film(), "")), ("transcript", ("x.srt", b"", ""))], 422,
            "transcript-refused", id="an empty transcript",
        ),
        pytest.param(
            [("file", ("x", film(size=4097), ""))], 413, "form-too-large", id="too large",
        ),
        pytest.param(
            [("file", ("x", film(14_401.0), ""))], 422, "media-too-large", id="too long",
        ),
    ],
)  # fmt: skip
async def test_a_form_that_is_no_video_leaves_nothing(
    client: httpx.AsyncClient, world: World, files: Any, status: int, slug: str
) -> None:
    answer = await client.post(VIDEOS, files=files)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, slug)
    assert await world.stored() == 0
    assert (await client.get(VIDEOS)).json()["data"] == []


async def test_a_file_too_large_for_a_form_is_told_of_the_other_ways_in(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post(VIDEOS, files={"file": ("x", film(size=5000))})
    assert answer.json()["limit_bytes"] == 4096
    assert "/api/v1/uploads" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not a form", id="no form"),
        pytest.param(
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nFIL', id="cut off"
        ),
        pytest.param(b"--b\r\n\r\nx\r\n--b--\r\n", id="a part without a name"),
    ],
)
async def test_a_damaged_form_is_refused(
    client: httpx.AsyncClient, world: World, body: bytes
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await client.post(VIDEOS, headers=headers, content=body)
    assert answer.status_code == 422
    assert await world.stored() == 0


async def test_a_form_that_breaks_off_leaves_nothing(world: World) -> None:
    begun = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + film(size=2000)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    await break_off(world.app, "POST", VIDEOS, [begun], headers)
    assert await world.stored() == 0


@pytest.mark.parametrize("content_type", ["", "video/mp4", "text/plain", "multipart/mixed"])
async def test_other_bodies_are_refused(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post(VIDEOS, headers={"Content-Type": content_type}, content=film())
    assert answer.status_code == 415
    assert answer.json()["accepted"] == ["multipart/form-data", "application/json"]


async def test_the_plans_storage_bounds_what_a_form_brings(
    client: httpx.AsyncClient, world: World
) -> None:
    world.plan = world.plan.model_copy(
        update={"media": world.plan.media.model_copy(update={"storage_bytes": 100})}
    )
    await bring(client, film(size=90))
    answer = await client.post(VIDEOS, files={"file": ("x", film(size=90))})
    assert answer.status_code == 429
    assert answer.json()["limit"] == "storage_bytes"
    assert await world.stored() == 90


async def test_videos_are_listed_newest_first_in_pages(
    client: httpx.AsyncClient, world: World
) -> None:
    made = []
    for _ in range(3):
        made.append((await bring(client))["id"])
        world.clock.advance(1.0)

    first = (await client.get(VIDEOS, params={"limit": 2})).json()
    rest = await client.get(VIDEOS, params={"limit": 2, "cursor": first["next_cursor"]})
    assert _ids(first["data"]) + _ids(rest.json()["data"]) == made[::-1]
    assert rest.json()["next_cursor"] is None
    failed = await client.get(VIDEOS, params={"state": "failed"})
    assert failed.json()["data"] == []
    assert (await client.get(VIDEOS, params={"cursor": "AAAA"})).status_code == 400


async def test_a_video_that_has_not_changed_is_not_sent_again(client: httpx.AsyncClient) -> None:
    at = f"{VIDEOS}/{(await bring(client))['id']}"
    tag = (await client.get(at)).headers["etag"]
    assert (await client.get(at, headers={"If-None-Match": tag})).status_code == 304
    await client.put(f"{at}/transcript", content=SRT, headers={"Content-Type": "text/srt"})
    assert (await client.get(at, headers={"If-None-Match": tag})).status_code == 200


async def test_a_deleted_video_is_gone_with_its_files(
    client: httpx.AsyncClient, world: World
) -> None:
    at = f"{VIDEOS}/{(await bring(client))['id']}"
    await client.put(f"{at}/transcript", content=SRT, headers={"Content-Type": "text/srt"})

    assert (await client.delete(at)).status_code == 204
    assert await world.stored() == 0
    assert (await client.get(at)).status_code == (await client.delete(at)).status_code == 404


async def test_a_video_that_a_job_works_on_is_not_deleted(
    client: httpx.AsyncClient, world: World
) -> None:
    video = (await bring(client))["id"]
    async with world.media.database.begin() as connection:
        new = NewJob("acme", "video.clips", "writer", {}, subject=video)
        job = await world.jobs.create(connection, new)

    refused = await client.delete(f"{VIDEOS}/{video}")
    assert (refused.status_code, refused.json()["job"]) == (409, job.id)
    await world.jobs.cancel("acme", job.id)
    assert (await client.delete(f"{VIDEOS}/{video}")).status_code == 204


async def test_a_video_past_its_time_is_forgotten_unless_a_job_works_on_it(
    client: httpx.AsyncClient, world: World
) -> None:
    idle, busy = [(await bring(client))["id"] for _ in range(2)]
    async with world.media.database.begin() as connection:
        new = NewJob("acme", "video.clips", "writer", {}, subject=busy)
        await world.jobs.create(connection, new)

    world.clock.advance(7 * 86_400.0 + 1)
    await world.media.videos.sweep()
    assert (await client.get(f"{VIDEOS}/{idle}")).status_code == 404
    assert (await client.get(f"{VIDEOS}/{busy}")).status_code == 200


async def test_another_tenants_video_is_not_there_in_the_same_words(
    client: httpx.AsyncClient, world: World
) -> None:
    video = (await bring(client))["id"]
    said = {"content": SRT, "headers": {"Content-Type": "text/srt"}}
    async with world.client(STRANGER) as stranger:
        assert (await stranger.get(VIDEOS)).json()["data"] == []
        for method, below in (("GET", ""), ("DELETE", ""), ("PUT", "/transcript")):
            theirs = await stranger.request(method, f"{VIDEOS}/{video}{below}", **said)
            none = await stranger.request(method, f"{VIDEOS}/vid_none{below}", **said)
            assert theirs.status_code == none.status_code == 404
            assert theirs.json()["detail"].replace(video, "vid_none") == none.json()["detail"]
    assert (await client.get(f"{VIDEOS}/{video}")).json()["transcript"] is None


@pytest.mark.parametrize(("key", "reading"), [(None, 401), (PLAIN, 403), (READER, 200)])
async def test_each_scope_opens_its_own_routes(
    client: httpx.AsyncClient, world: World, key: str | None, reading: int
) -> None:
    at = f"{VIDEOS}/{(await bring(client))['id']}"
    writing = 401 if key is None else 403
    async with world.client(key) as other:
        assert (await other.get(VIDEOS)).status_code == reading
        assert (await other.get(at)).status_code == reading
        assert (await other.post(VIDEOS, files={"file": film()})).status_code == writing
        assert (
            await other.post(VIDEOS, json={"url": "https://a.example/b"})
        ).status_code == writing
        put = await other.put(f"{at}/transcript", content=SRT)
        assert put.status_code == writing
        assert (await other.delete(at)).status_code == writing


async def test_a_form_promises_nothing_by_a_key(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "form-1"}
    answer = await client.post(VIDEOS, files={"file": film()}, headers=headers)
    assert (answer.status_code, answer.json()["param"]) == (400, "Idempotency-Key")


def _ids(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]
