"""`/api/v1/audio`: short recordings at once, long ones by jobs, and their results."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import select, update

from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import SystemClock
from cluster.storage.tables import files, usage
from cluster.tenants.plan import Plan
from deployments.contracts.audio import SoundMeasures, TimeSpan
from deployments.files.model import NewFile
from deployments.files.store import FileStore, object_path
from deployments.jobs.worker import JobWorker, WorkerTimings
from deployments.media.audio_job import AudioJobHandler
from deployments.media.figures import MediaFigures
from deployments.media.recordings import Recordings
from deployments.sandbox.errors import SandboxFailed
from deployments.video.url_download import UrlDownloader
from tests.api.audio.audio_world import ANALYSES, AudioWorld
from tests.api.videos.media_world import PLAIN, READER, STRANGER, WRITER, film, look, public
from tests.media_fixtures.scripted_speech import said

QUICK = WorkerTimings(poll_s=0.01, slowest_s=0.02, beat_s=0.05, sweep_s=60.0, close_s=5.0)
LONG = film(90.0)
ENDED = ("succeeded", "failed", "canceled")


@asynccontextmanager
async def working(world: AudioWorld, fetched: bytes = b"") -> AsyncIterator[None]:
    """A worker of Media that runs audio jobs; behind every URL is `fetched`."""
    audio, clock = world.audio, SystemClock()

    async def body() -> AsyncIterator[bytes]:
        yield fetched

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body())

    downloader = UrlDownloader(httpx.MockTransport(answer))  # type: ignore[arg-type]
    recordings = Recordings(audio.files, world.services.settings.home / "scratch", look)
    handler = AudioJobHandler(
        recordings, audio.files, world.recognizer, downloader, audio.plan_of, MediaFigures(), clock
    )
    worker = JobWorker(audio.jobs, [handler], "media-1", clock, pace=QUICK)
    await worker.start()
    try:
        yield
    finally:
        await worker.close()
        await downloader.close()


async def ended(world: AudioWorld, job: str) -> dict[str, Any]:
    async with asyncio.timeout(10), world.client(WRITER) as client:
        while True:
            answer = await client.get(f"/api/v1/jobs/{job}", headers={"Prefer": "wait=5"})
            found: dict[str, Any] = answer.json()
            if found["state"] in ENDED:
                return found


async def get(world: AudioWorld, path: str, key: str = WRITER, **query: str) -> httpx.Response:
    async with world.client(key) as client:
        return await client.get(path, params=query)


async def charged(world: AudioWorld) -> int:
    query = select(usage.c.amount).where(usage.c.unit == "audio_seconds")
    async with world.audio.database.read() as connection:
        return sum((await connection.execute(query)).scalars())


async def sent_file(world: AudioWorld) -> str:
    """The id of a recording of acme's that was sent as a file."""

    async def content() -> AsyncIterator[bytes]:
        yield film()

    store = FileStore(world.audio.database, world.audio.files, world.audio.clock)
    staged = await store.receive("acme", content(), "audio/mpeg", 1 << 20)
    new = NewFile("acme", "k", "user_data", "talk.mp3", "audio/mpeg")
    return (await store.add(staged, new)).id


async def status_of(world: AudioWorld, key: str, file: str) -> int:
    async with world.client(key) as client:
        return (await client.post(ANALYSES, json={"file_id": file})).status_code


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs meter no sound here; tests/video/media does."""

    def measure(path: object, folder: object, info: Any, cancel: object = None) -> SoundMeasures:
        return SoundMeasures(info.duration, -20.0, 3.0, -2.0, (TimeSpan(5.0, 6.0),), 0.5)

    monkeypatch.setattr("deployments.media.audio_job.measure_sound", measure)


async def test_a_short_recording_is_answered_at_once(world: AudioWorld) -> None:
    answer = await world.post(ANALYSES, film(12.5), key=WRITER, language="en", name="../talk.mp3")
    found = answer.json()

    assert answer.status_code == 200
    assert (found["object"], found["name"]) == ("audio.analysis", "talk.mp3")
    assert found["recording"]["duration"] == 12.5
    assert found["recording"]["track"]["codec"] == "aac"
    assert found["loudness"] == {
        "integrated_lufs": -16.5, "range_lu": 4.2, "true_peak_dbtp": -1.25,
    }  # fmt: skip
    assert found["silences"] == [{"start": 1.0, "end": 1.75}]
    assert found["transcript"]["text"] == "Hello there. Tea time."
    assert found["transcript"]["segments"][0]["words"][0]["word"] == "Hello"
    assert found["usage"] == {"type": "duration", "seconds": 13}
    assert world.seconds_used() == [13]
    assert await world.stored() == 0


async def test_measures_alone_recognise_nothing_and_cost_nothing(world: AudioWorld) -> None:
    answer = await world.post(ANALYSES, key=WRITER, **{"parts[]": "measures"})

    assert answer.json()["usage"]["seconds"] == 0
    assert "transcript" not in answer.json()
    assert (world.recognizer.asked, world.seconds_used()) == ([], [])


async def test_a_long_recording_is_a_job_whose_result_stays(world: AudioWorld) -> None:
    world.recognizer.phrases = [said(10.0, "One."), said(50.0, "Two."), said(80.0, "Three.")]
    ordered = await world.post(ANALYSES, LONG, key=WRITER)
    job = ordered.json()["id"]
    early = await get(world, f"{ANALYSES}/{job}")
    async with working(world):
        end = await ended(world, job)
    found = (await get(world, f"{ANALYSES}/{job}")).json()
    srt = await get(world, f"{ANALYSES}/{job}", format="srt")
    verbose = (await get(world, f"{ANALYSES}/{job}", format="verbose_json")).json()

    assert (ordered.status_code, ordered.headers["location"]) == (202, f"/api/v1/jobs/{job}")
    assert early.status_code == 409
    assert (end["state"], end["kind"], end["result"]["language"]) == ("succeeded", "audio", "en")
    assert found["transcript"]["text"] == "One. Two. Three."
    assert (found["usage"]["seconds"], found["loudness"]["integrated_lufs"]) == (90, -20.0)
    assert srt.text.count(" --> ") == 3
    assert [word["word"] for word in verbose["words"]] == ["One.", "Two.", "Three."]
    assert await charged(world) == 90


async def test_an_attempt_after_a_crash_goes_on_where_it_was(world: AudioWorld) -> None:
    world.recognizer.phrases = [said(20.0, "One."), said(40.0, "Two."), said(80.0, "Three.")]
    world.recognizer.breaks = [(2, SandboxFailed())]
    job = (await world.post(ANALYSES, LONG, key=WRITER)).json()["id"]
    async with working(world):
        end = await ended(world, job)
    found = (await get(world, f"{ANALYSES}/{job}")).json()

    assert (end["state"], end["attempts"]) == ("succeeded", 2)
    assert found["transcript"]["text"] == "One. Two. Three."
    assert [options.start for options, _ in world.recognizer.asked] == [0.0, 40.5]
    assert world.recognizer.asked[1][0].language == "en"
    assert await charged(world) == 90


async def test_a_url_is_fetched_by_a_job(world: AudioWorld) -> None:
    world.use(replace(world.audio, guard=SsrfGuard(resolve=public)))
    body = {"url": "https://cdn.acme.example/talk.mp3", "parts": ["transcript"]}
    async with world.client(WRITER) as client:
        ordered = await client.post(ANALYSES, json=body)
        unsafe = await client.post(ANALYSES, json={"url": "https://inside.acme.example/x.mp3"})
    async with working(world, film(3.0)):
        end = await ended(world, ordered.json()["id"])

    assert (ordered.status_code, unsafe.status_code) == (202, 400)
    assert end["state"] == "succeeded"
    assert await charged(world) == 3


async def test_a_recording_that_is_refused_ends_its_job(world: AudioWorld) -> None:
    world.use(replace(world.audio, guard=SsrfGuard(resolve=public)))
    async with world.client(WRITER) as client:
        ordered = await client.post(ANALYSES, json={"url": "https://cdn.acme.example/x.mp3"})
    async with working(world, b"<html>"):
        end = await ended(world, ordered.json()["id"])

    assert (end["state"], end["problem"]["slug"]) == ("failed", "media-refused")
    assert await charged(world) == 0


async def test_results_belong_to_their_tenant(world: AudioWorld) -> None:
    job = (await world.post(ANALYSES, LONG, key=WRITER)).json()["id"]
    async with working(world):
        await ended(world, job)
    path = f"{ANALYSES}/{job}"

    found = [(await get(world, path, key)).status_code for key in (READER, STRANGER, PLAIN)]

    assert found == [200, 404, 403]


async def test_a_deleted_job_leaves_nothing(world: AudioWorld) -> None:
    job = (await world.post(ANALYSES, LONG, key=WRITER)).json()["id"]
    async with working(world):
        await ended(world, job)
    kept = await world.stored()
    async with world.client(WRITER) as client:
        deleted = await client.delete(f"/api/v1/jobs/{job}")

    assert kept > 0
    assert (deleted.status_code, await world.stored()) == (204, 0)


async def test_repetitions_of_an_order_are_one_job(world: AudioWorld) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await world.post(ANALYSES, LONG, key=WRITER, headers=headers)
    size = await world.stored()
    again = await world.post(ANALYSES, LONG, key=WRITER, headers=headers)

    assert first.json()["id"] == again.json()["id"]
    assert await world.stored() == size


async def test_a_video_is_not_deleted_with_its_analysis(world: AudioWorld) -> None:
    video = await world.clips.video()
    await world.audio.files.put("acme", video.path, LONG, "video/mp4", None)
    async with world.client(WRITER) as client:
        ordered = await client.post(ANALYSES, json={"video": video.id, "parts": ["transcript"]})
    async with working(world):
        end = await ended(world, ordered.json()["id"])

    assert (end["state"], end["subject"]) == ("succeeded", video.id)
    assert (await world.audio.files.stat("acme", video.path)).bytes == len(LONG)


async def test_a_file_that_was_sent_before_is_a_source_and_stays(world: AudioWorld) -> None:
    file = await sent_file(world)
    async with world.client(WRITER) as client:
        found = await client.post(ANALYSES, json={"file_id": file, "parts": ["transcript"]})
    heard = await world.handles().call(
        PLAIN, "transcribe_audio", orjson.dumps({"file_id": file}), 10.0
    )

    assert (found.status_code, found.json()["name"]) == (200, "talk.mp3")
    assert found.json()["transcript"]["text"] == heard["text"]
    assert (await world.audio.files.stat("acme", object_path(file, 0))).bytes == len(film())


async def test_files_of_others_and_of_batches_are_no_source(world: AudioWorld) -> None:
    mine, written = await sent_file(world), await sent_file(world)
    async with world.audio.database.begin() as connection:
        of_batch = update(files).where(files.c.id == written).values(job="job_1")
        await connection.execute(of_batch)

    assert await status_of(world, STRANGER, mine) == 404
    assert await status_of(world, WRITER, "file-unknown") == 404
    assert await status_of(world, WRITER, written) == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"file_id": "file-1", "video": "vid_1"}, 422),
        ({"video": "vid_unknown"}, 404),
        ({"video": "vid_1", "url": "https://a.example/b"}, 422),
        ({"video": "vid_1", "parts": []}, 422),
        ({"video": "vid_1", "path": "audio/up_1/source"}, 422),
    ],
)
async def test_orders_that_name_nothing_usable_are_refused(
    body: dict[str, Any], status: int, world: AudioWorld
) -> None:
    async with world.client(WRITER) as client:
        assert (await client.post(ANALYSES, json=body)).status_code == status


async def test_handles_have_the_same_operations(world: AudioWorld) -> None:
    world.clips.plan = Plan(id="p")
    video = await world.clips.video()
    await world.audio.files.put("acme", video.path, LONG, "video/mp4", None)
    handles = world.handles()
    job = await handles.call(WRITER, "analyze_audio", orjson.dumps({"video": video.id}), 10.0)
    async with working(world):
        await ended(world, job["id"])
    found = await handles.call(WRITER, "audio.get", orjson.dumps({"job": job["id"]}), 10.0)

    assert (job["object"], found["object"]) == ("job", "audio.analysis")
