"""Recordings over real HTTP become clips: brought in pieces, watched, fetched, cancelled, private.

One talk is brought and clipped once; tests look at what that
left, and at jobs of their own.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio

from cluster.client import AsyncMobula
from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.polling import eventually
from tests.cluster.recordings import (
    ENDED,
    QUICK,
    Event,
    Talk,
    bring,
    clips,
    ended,
    follow,
    order,
    video_seconds,
    work_folders,
    working_in,
)
from tests.cluster.tenants import Tenant, make_tenant
from tests.cluster.uploading import PIECE, TUS, bring_in_pieces

CLIPS = 2
SPOKEN_S = 19  # of the talk; nothing is said after that
SHORT_S = 8  # of the talk, enough for one clip
GONE_S = 20.0  # on a busy machine, within which nothing of a cancelled job runs


@dataclass
class Made:
    """What one talk's way through the cluster left."""

    tenant: Tenant
    talk: Talk
    upload: str = ""
    received: int = 0  # bytes that were there after the first piece broke off
    video: str = ""
    job: str = ""
    events: list[Event] = field(default_factory=list)
    early: list[dict[str, Any]] = field(default_factory=list)  # clips when the first was ready
    early_state: str = ""
    ranges: dict[str, httpx.Response] = field(default_factory=dict)  # by kind of file


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Talk:
    return Talk.made_in(tmp_path_factory.mktemp("talk"), 24)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(cluster: LocalServe, recording: Talk) -> Made:
    """The whole way of a client that knows nothing but the API."""
    async with _operator(cluster) as operator:
        found = Made(await make_tenant(operator), recording)
    async with httpx.AsyncClient(
        base_url=cluster.url, headers=found.tenant.headers, timeout=60
    ) as mine:
        found.upload, found.received, found.video = await bring_in_pieces(
            mine, "talk.mp4", recording.file.read_bytes()
        )
        await _put_transcript(mine, found)
        options = {"count": CLIPS, "texts": True, "end": SPOKEN_S}
        found.job = await order(mine, {}, found.video, **options)
        async for event in follow(mine, {}, found.job):
            found.events.append(event)
            if event.data.get("state") == "ready" and not found.early:
                await _look_early(mine, found)
    return found


def _operator(cluster: LocalServe) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {cluster.key}"}
    return httpx.AsyncClient(base_url=cluster.url, headers=headers, timeout=30)


async def _put_transcript(mine: httpx.AsyncClient, found: Made) -> None:
    put = await mine.put(
        f"/api/v1/videos/{found.video}/transcript",
        headers={"Content-Type": "application/x-subrip"},
        content=found.talk.transcript.encode(),
    )
    assert put.json()["transcript"]["words"] > 20


async def _look_early(mine: httpx.AsyncClient, found: Made) -> None:
    answer = (await mine.get(f"/api/v1/jobs/{found.job}/clips")).json()
    found.early, found.early_state = answer["data"], answer["state"]
    ready = next(clip for clip in found.early if clip["state"] == "ready")
    async with httpx.AsyncClient(base_url=mine.base_url, timeout=30) as nobody:
        for file in ready["files"]:
            found.ranges[file["kind"]] = await nobody.get(
                file["url"], headers={"Range": "bytes=4-11"}
            )


def test_an_upload_goes_on_where_its_connection_broke_off(made: Made) -> None:
    assert 0 < made.received <= made.talk.file.stat().st_size // 3


def test_events_come_in_order_and_end_with_the_jobs_end(made: Made) -> None:
    assert [event.seq for event in made.events] == list(range(1, len(made.events) + 1))
    kinds = [event.kind for event in made.events]
    assert kinds[:2] == ["queued", "started"]
    assert kinds[-1] == "succeeded"
    assert not set(kinds[:-1]) & set(ENDED)
    percents = [event.data["percent"] for event in made.events if event.kind == "progress"]
    assert percents == sorted(percents)
    ready = [event.data["number"] for event in made.events if event.data.get("state") == "ready"]
    assert ready == list(range(1, CLIPS + 1))


async def test_who_comes_back_gets_the_events_after_the_last_that_was_seen(
    client: httpx.AsyncClient, made: Made
) -> None:
    headers, seen = made.tenant.headers, len(made.events) // 2
    again = [event async for event in follow(client, headers, made.job, after=seen)]
    assert again == made.events[seen:]
    path, last = f"/api/v1/jobs/{made.job}/events", str(len(made.events))
    over = await client.get(path, headers={**headers, "Last-Event-ID": last})
    assert over.status_code == 204


def test_the_first_clip_is_downloaded_while_the_job_still_runs(made: Made) -> None:
    assert made.early_state == "running"
    assert [clip["state"] for clip in made.early].count("ready") == 1
    assert set(made.ranges) == {"video", "thumbnail", "srt", "vtt"}
    for answer in made.ranges.values():
        assert answer.status_code == 206
        assert len(answer.content) == 8
        assert answer.headers["content-range"].startswith("bytes 4-11/")
    assert made.ranges["video"].content.startswith(b"ftyp")


async def test_clips_are_upright_captioned_good_and_their_words_say_who_wrote_them(
    client: httpx.AsyncClient, made: Made
) -> None:
    found = await clips(client, made.tenant.headers, made.job)
    assert [clip["state"] for clip in found] == ["ready"] * CLIPS
    scores = [clip["score"] for clip in found]
    assert scores == sorted(scores, reverse=True)
    for clip in found:
        files = {file["kind"]: file for file in clip["files"]}
        video = files["video"]
        assert abs(video["width"] / video["height"] - 9 / 16) < 0.01
        assert video["report"]["problems"] == []
        assert abs(video["report"]["duration_s"] - clip["duration"]) < 0.1
        assert QUICK["min_s"] - 0.5 <= clip["duration"] <= QUICK["max_s"] + 0.5
        assert clip["captions"] == {"style": "karaoke", "origin": "sidecar", "why": ""}
        assert clip["text"]["generated_by"] in ("nano", "template")
        subtitles = (await client.get(files["srt"]["url"])).text
        assert "-->" in subtitles
        assert all(word in subtitles for word in clip["excerpt"].split()[:2])
    assert "nano" in {clip["text"]["generated_by"] for clip in found}


async def test_the_requested_seconds_are_charged_once(
    client: httpx.AsyncClient, made: Made
) -> None:
    assert await video_seconds(client, made.tenant.headers) == [SPOKEN_S]


async def test_what_belongs_to_a_tenant_is_not_there_for_another(
    client: httpx.AsyncClient, made: Made
) -> None:
    other = (await make_tenant(client)).headers
    upload, video, job = made.upload, f"/api/v1/videos/{made.video}", f"/api/v1/jobs/{made.job}"
    requests = [
        ("GET", upload, {}),
        ("HEAD", upload, {"headers": TUS}),
        ("PATCH", upload, {"headers": {**PIECE, "Upload-Offset": "0"}, "content": b"x"}),
        ("DELETE", upload, {"headers": TUS}),
        ("GET", video, {}),
        ("PUT", f"{video}/transcript", {"headers": {"Content-Type": "text/vtt"}, "content": b"W"}),
        ("POST", f"{video}/clips", {"json": {}}),
        ("DELETE", video, {}),
        ("GET", job, {}),
        ("GET", f"{job}/clips", {}),
        ("GET", f"{job}/events", {}),
        ("POST", f"{job}/cancel", {}),
        ("DELETE", job, {}),
    ]
    for method, path, how in requests:
        headers = {**how.pop("headers", {}), **other}
        answer = await client.request(method, path, headers=headers, **how)
        assert answer.status_code == 404, (method, path, answer.text)
    listed = [await client.get(path, headers=other) for path in ("/api/v1/videos", "/api/v1/jobs")]
    assert [answer.json()["data"] for answer in listed] == [[], []]
    mine = await client.get(job, headers=made.tenant.headers)
    assert mine.json()["state"] == "succeeded"


async def test_a_forged_link_is_not_there(client: httpx.AsyncClient, made: Made) -> None:
    first = (await clips(client, made.tenant.headers, made.job))[0]
    url = first["files"][0]["url"]
    for forged in (url[:-1] + ("A" if url[-1] != "A" else "B"), url[:40], url + "x"):
        assert (await client.get(forged)).status_code == 404


async def test_one_key_raced_by_32_clients_makes_one_job(
    client: httpx.AsyncClient, made: Made
) -> None:
    tenant = await make_tenant(client)
    video = await bring(client, tenant.headers, made.talk, heard=True)
    headers = {**tenant.headers, "Idempotency-Key": uuid.uuid4().hex}
    path = f"/api/v1/videos/{video}/clips"

    async def send() -> httpx.Response:
        body = {**QUICK, "count": 1, "end": SHORT_S}
        return await client.post(path, json=body, headers=headers)

    answers = await asyncio.gather(*(send() for _ in range(32)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    again = await send()
    assert again.headers["idempotency-replayed"] == "true"
    ids = {answer.json()["id"] for answer in [*answers, again] if answer.status_code == 202}
    listed = (await client.get("/api/v1/jobs", headers=tenant.headers)).json()["data"]
    assert {job["id"] for job in listed} == ids
    assert len(listed) == 1
    over = await ended(client, tenant.headers, listed[0]["id"])
    assert over["state"] == "succeeded"
    assert await video_seconds(client, tenant.headers) == [SHORT_S]


async def test_a_cancelled_job_leaves_no_process_no_folder_no_clip_and_no_charge(
    client: httpx.AsyncClient, cluster: LocalServe, made: Made
) -> None:
    tenant = await make_tenant(client)
    video = await bring(client, tenant.headers, made.talk, heard=False)
    await eventually(lambda: not work_folders(cluster.home))
    job = await order(client, tenant.headers, video, count=4, quality="final")
    links: list[str] = []

    async def one_is_ready() -> bool:
        found = await clips(client, tenant.headers, job)
        links[:] = [f["url"] for clip in found for f in clip["files"]]
        return bool(links) and bool(working_in(cluster.home / "scratch"))

    await eventually(one_is_ready, timeout_s=60)
    cancelled_at = time.monotonic()
    (await client.post(f"/api/v1/jobs/{job}/cancel", headers=tenant.headers)).raise_for_status()
    await eventually(lambda: not working_in(cluster.home / "scratch"))
    assert time.monotonic() - cancelled_at < GONE_S
    over = await ended(client, tenant.headers, job)
    assert over["state"] == "canceled"
    assert work_folders(cluster.home) == []
    assert {(await client.get(link)).status_code for link in links} == {404}
    assert await video_seconds(client, tenant.headers) == []


async def test_a_handle_makes_clips_of_what_came_over_http(
    cluster: LocalServe, client: httpx.AsyncClient, recording: Talk
) -> None:
    key = {"Authorization": f"Bearer {cluster.key}"}
    video = await bring(client, key, recording, heard=True)
    job = await AsyncMobula(api_key=cluster.key).clip(video, **QUICK, count=1, end=SHORT_S)
    assert job["state"] == "succeeded"
    (clip,) = job["clips"]
    url = next(file["url"] for file in clip["files"] if file["kind"] == "video")
    assert (await client.get(url)).content[4:8] == b"ftyp"
