"""Imports by URL: the job, run by a real worker over both stores; only the hosts are made up."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from deployments.contracts.jobs import ENDED, Job
from deployments.jobs.worker import JobWorker, WorkerTimings
from deployments.video.catalog import objects_expire
from deployments.video.url_download import MAX_REDIRECTS
from tests.contract.uploads.upload_bench import LARGEST, Bench, chunks, failing, sent

URL = "https://cdn.example.com/talk.mp4"
FILM = b"FILM" + bytes(range(256)) * 4
ONE_STORE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # about hosts, not rows
PACE = WorkerTimings(poll_s=0.01, slowest_s=0.02, beat_s=0.02)


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(60):
        while not (found := await condition()):  # noqa: ASYNC110 - rows have no event
            await asyncio.sleep(0.01)
    return found


@asynccontextmanager
async def working(bench: Bench, name: str = "worker") -> AsyncIterator[JobWorker]:
    worker = JobWorker(bench.jobs, [bench.importing], name, bench.clock, pace=PACE)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.close()


async def ended(bench: Bench, job: Job) -> Job:
    async def look() -> Job | None:
        found = await bench.jobs.get("acme", job.id)
        return found if found.state in ENDED else None

    found: Job = await until(look)
    return found


async def run(bench: Bench, url: str = URL) -> tuple[str, Job]:
    """The video's id, and the job once it has ended."""
    video, job = await bench.ask(url)
    async with working(bench):
        return video.id, await ended(bench, job)


async def test_a_recording_is_fetched_probed_and_ready(bench: Bench) -> None:
    bench.web.answers[URL] = sent(FILM[:500], FILM[500:])
    video, job = await run(bench)

    assert (job.state, job.percent) == ("succeeded", 100.0)
    digest = hashlib.sha256(FILM).hexdigest()
    assert job.result == {"video": video, "bytes": len(FILM), "sha256": digest}
    found = await bench.videos.get("acme", video)
    assert (found.state, found.bytes, found.sha256) == ("ready", len(FILM), digest)
    assert found.info is not None
    assert found.info["duration"] == 2.0
    assert await bench.read(found.path) == FILM
    assert (await bench.files.stat("acme", found.path)).expires == objects_expire(found)
    assert bench.web.headers[0]["accept-encoding"] == "identity"


@ONE_STORE
async def test_redirects_are_followed_a_few_times(bench: Bench) -> None:
    here = URL
    for n in range(MAX_REDIRECTS):
        there = f"https://h{n}.example.com/x"
        bench.web.answers[here] = httpx.Response(302, headers={"Location": there})
        here = there
    bench.web.answers[here] = sent(FILM)
    _, job = await run(bench)
    assert job.state == "succeeded"

    bench.web.answers[here] = httpx.Response(307, headers={"Location": "/round"})
    bench.web.answers["https://h4.example.com/round"] = sent(FILM)
    _, job = await run(bench)
    assert (job.state, job.problem and job.problem["slug"]) == ("failed", "source-refused")


@ONE_STORE
@pytest.mark.parametrize(
    "location",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1:8000/api",
        "http://cdn.example.com/plain",
        "https://inside.example.com/x",
        "file:///etc/passwd",
        "https://[::1]/x",
    ],
)
async def test_a_redirect_to_where_nobody_may_go_ends_the_import(
    bench: Bench, location: str
) -> None:
    bench.names.addresses["inside.example.com"] = ["10.0.0.7"]
    bench.web.answers[URL] = httpx.Response(301, headers={"Location": location})
    video, job = await run(bench)

    assert job.state == "failed"
    assert bench.web.asked == [URL]
    found = await bench.videos.get("acme", video)
    assert found.state == "failed"
    assert found.problem is not None
    assert found.problem["slug"] == "unsafe-url"
    assert await bench.files.used("acme") == 0


async def test_a_name_that_moves_inside_after_it_was_queued_is_not_followed(bench: Bench) -> None:
    """DNS rebinding between the check of the request and the fetch."""
    video, job = await bench.ask(URL)
    bench.names.addresses["cdn.example.com"] = ["192.168.0.1"]
    async with working(bench):
        assert (await ended(bench, job)).state == "failed"
    assert bench.web.asked == []
    assert (await bench.videos.get("acme", video.id)).state == "failed"


@ONE_STORE
@pytest.mark.parametrize(
    ("answer", "slug"),
    [
        pytest.param(lambda: sent(b"<html>not found</html>"), "media-refused", id="a page"),
        pytest.param(lambda: sent(b""), "media-refused", id="nothing"),
        pytest.param(lambda: sent(FILM, status=404), "source-refused", id="404"),
        pytest.param(lambda: sent(FILM, status=403), "source-refused", id="403"),
        pytest.param(lambda: sent(FILM, status=206), "source-refused", id="a part of it"),
        pytest.param(lambda: httpx.Response(302), "source-refused", id="a redirect to nowhere"),
        pytest.param(
            lambda: sent(b"x", headers=[("Content-Encoding", "gzip")]), "source-refused",
            id="compressed",
        ),
        pytest.param(
            lambda: sent(b"x", headers=[("Content-Length", str(LARGEST + 1))]), "source-too-large",
            id="says it is too large",
        ),
        pytest.param(
            lambda: sent(*[FILM] * 5), "source-too-large", id="is too large without saying so",
        ),
    ],
)  # fmt: skip
async def test_what_cannot_become_a_video_fails_once_and_leaves_nothing(
    bench: Bench, answer: Callable[[], httpx.Response], slug: str
) -> None:
    bench.web.answers[URL] = answer()
    video, job = await run(bench)

    assert (job.state, job.attempts) == ("failed", 1)
    assert job.problem is not None
    assert job.problem["slug"] == slug
    found = await bench.videos.get("acme", video)
    assert (found.state, found.problem) == ("failed", job.problem)
    assert await bench.files.used("acme") == 0


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(httpx.ConnectError("refused"), id="no connection"),
        pytest.param(httpx.ReadTimeout("slow"), id="no answer"),
        pytest.param(httpx.Response(503), id="503"),
        pytest.param(httpx.Response(429), id="429"),
        pytest.param("broken", id="a connection that breaks"),
    ],
)
async def test_what_may_pass_is_tried_again(bench: Bench, failure: Any) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield FILM[:100]
        raise httpx.ReadError("reset")

    first = httpx.Response(200, content=breaking()) if failure == "broken" else failure
    bench.web.answers[URL] = [first, sent(FILM)]
    video, job = await bench.ask(URL)
    async with working(bench):
        await until(lambda: _waits(bench, job))
        assert (await bench.videos.get("acme", video.id)).state == "importing"
        bench.clock.advance(10.0)
        done = await ended(bench, job)
    assert (done.state, done.attempts) == ("succeeded", 2)
    assert await bench.read(video.path) == FILM


async def test_another_attempt_goes_on_from_what_is_stored(bench: Bench) -> None:
    bench.web.answers[URL] = [sent(FILM)]
    bench.look.failures.append(failing())
    video, job = await bench.ask(URL)
    async with working(bench):
        await until(lambda: _waits(bench, job))
        bench.clock.advance(10.0)
        done = await ended(bench, job)
    assert (done.state, len(bench.web.asked)) == ("succeeded", 1)
    assert (await bench.videos.get("acme", video.id)).state == "ready"


@pytest.mark.parametrize("has_stored", [False, True])
async def test_a_worker_that_dies_is_followed_by_another(
    bench: Bench, replica: Bench, has_stored: bool
) -> None:
    video, job = await bench.ask(URL)
    assert await bench.jobs.claim("dies", [bench.importing.kind], 15.0) is not None
    if has_stored:
        await bench.ingest.store("acme", video.id, chunks(FILM))

    replica.web.answers[URL] = sent(FILM)
    bench.clock.advance(60.0)
    async with working(replica, "follows"):
        done = await ended(bench, job)
    assert (done.state, done.attempts) == ("succeeded", 2)
    assert len(replica.web.asked) == (0 if has_stored else 1)
    assert (await bench.videos.get("acme", video.id)).state == "ready"
    assert await bench.read(video.path) == FILM


async def test_a_cancelled_import_stops_and_leaves_nothing(bench: Bench) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield FILM[:100]
        begun.set()
        await asyncio.Event().wait()

    bench.web.answers[URL] = httpx.Response(200, content=endless())
    video, job = await bench.ask(URL)
    async with working(bench):
        await asyncio.wait_for(begun.wait(), 20)
        await bench.jobs.cancel("acme", job.id)
        assert (await ended(bench, job)).state == "canceled"
        assert (await bench.videos.get("acme", video.id)).state == "failed"
    assert await bench.files.used("acme") == 0


async def test_an_import_that_takes_too_long_fails(bench: Bench) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield FILM[:100]
        await asyncio.Event().wait()

    bench.web.answers[URL] = httpx.Response(200, content=endless())
    bench.importing = bench.impatient(0.05)
    _, job = await run(bench)
    assert job.problem is not None
    assert (job.state, job.problem["slug"]) == ("failed", "source-refused")
    assert "0.05 s" in job.problem["detail"]


async def _waits(bench: Bench, job: Job) -> bool:
    """Whether the first attempt has failed, and another is due later."""
    found = await bench.jobs.get("acme", job.id)
    return (found.attempts, found.state) == (1, "queued")
