"""Whole jobs of clips, with every stage real: fetched, analysed, ranked, rendered, stored."""

import asyncio
from pathlib import Path

import psutil
import pytest

from cluster.runtime.problems import NotFound
from deployments.contracts.jobs import JobOutput
from load_tests.synthetic_recording import build_transcript
from tests.video.clipping.clip_bench import TENANT, Backwards, Bench, RecordingExecutor, opened

WORDS = build_transcript(20)


def starts(parts: tuple[JobOutput, ...]) -> list[float]:
    return [part.data["start"] for part in parts]


def left_in(bench: Bench) -> list[Path]:
    """Private folders that are there."""
    return list(bench.worker.media.scratch.iterdir())


async def instants(bench: Bench, job: str) -> dict[str, float]:
    """When each kind of event of the job came first; `part N ready` for clips."""
    found: dict[str, float] = {}
    for event in await bench.worker.media.jobs.events(TENANT, job, 0, 1000):
        name = event.kind
        if name == "part":
            name = f"part {event.data['number']} {event.data['state']}"
        found.setdefault(name, event.at)
    return found


async def test_a_talk_becomes_clips_the_best_of_which_is_there_first(
    talk: Path, home: Path
) -> None:
    async with opened(home) as bench:
        order = await bench.video(talk, WORDS)
        job, parts = await bench.ended(await bench.begin(order))

        assert job.state == "succeeded", job.problem
        assert (job.percent, job.result["clips"], job.result["failed"]) == (100.0, 2, 0)
        assert job.result["transcript"]["origin"] == "sidecar"
        assert [part.state for part in parts] == ["ready", "ready"]
        assert parts[0].data["score"] >= parts[1].data["score"]
        said = await instants(bench, job.id)
        assert said["part 1 ready"] < said["part 2 running"]
        for part in parts:
            video, *others = part.data["files"]
            assert [file["kind"] for file in others] == ["thumbnail", "srt", "vtt"]
            assert video["report"]["problems"] == []
            assert 2.0 <= part.data["end"] - part.data["start"] <= 4.5
            assert part.data["captions"]["style"] == "karaoke"
            assert part.data["text"]["generated_by"] == "template"
            for file in part.data["files"]:
                stored = await bench.worker.media.files.stat(TENANT, file["path"])
                assert (stored.bytes, stored.sha256) == (file["bytes"], file["sha256"])
        assert left_in(bench) == []


async def test_a_second_order_needs_no_second_analysis_and_the_text_model_orders_its_clips(
    talk: Path, home: Path
) -> None:
    writer = Backwards()
    async with opened(home, writer=writer) as bench:
        order = await bench.video(talk, WORDS)
        _, first = await bench.ended(await bench.begin(order, captions="none", texts=False))
        analysed = bench.executor.done["analyze_audio_task"]
        again = await bench.begin(order, captions="none", rerank=True)
        job, second = await bench.ended(again)

    assert job.state == "succeeded", job.problem
    assert (analysed, bench.executor.done["analyze_audio_task"]) == (1, 1)
    assert starts(second) == starts(first)[::-1]
    assert len(writer.asked) == 1
    assert [part.data["text"] for part in first] == [None, None]
    assert [part.data["text"]["generated_by"] for part in second] == ["house", "house"]


async def test_a_worker_that_stops_half_way_leaves_its_clips_to_the_next(
    talk: Path, home: Path
) -> None:
    async with opened(home) as bench:
        order = await bench.video(talk)
        job = await bench.begin(order)
        before = await bench.until_ready(job, 1)

    async with opened(home) as another:
        found, parts = await another.ended(job)

    assert found.state == "succeeded", found.problem
    assert (found.attempts, found.problem) == (1, None)
    assert parts[0] == before
    assert another.executor.rendered == [2]
    assert another.executor.done["analyze_audio_task"] == 0
    for part in parts:  # nobody said what is said in it
        assert part.data["captions"]["style"] == "none"
        assert "no transcript was given" in part.data["captions"]["why"]
        assert {file["kind"] for file in part.data["files"]} == {"video", "thumbnail"}


async def test_a_clip_that_cannot_be_made_says_why_and_the_others_are_there(
    talk: Path, home: Path
) -> None:
    async with opened(home, RecordingExecutor(spoilt=1)) as bench:
        order = await bench.video(talk, WORDS)
        job, parts = await bench.ended(await bench.begin(order, rerank=True))

    assert (job.state, job.result["clips"], job.result["failed"]) == ("partial", 1, 1)
    assert [part.state for part in parts] == ["failed", "ready"]
    assert parts[0].data["problem"] == {
        "slug": "media-damaged",
        "detail": "This stretch cannot be decoded.",
    }
    assert parts[0].data["score"] >= parts[1].data["score"]  # there is no model to ask


async def test_a_cancelled_job_leaves_no_process_no_file_and_no_folder_behind(
    talk: Path, home: Path
) -> None:
    async with opened(home) as bench:
        jobs, files = bench.worker.media.jobs, bench.worker.media.files
        order = await bench.video(talk, WORDS)
        shapes = ["9:16", "1:1", "4:5", "16:9"]
        job = await bench.begin(order, count=6, aspects=shapes, quality="final")
        ready = await bench.until_ready(job, 1)
        await jobs.cancel(TENANT, job)
        found, _ = await bench.ended(job)

        assert found.state == "canceled"
        async with asyncio.timeout(2.0):
            while psutil.Process().children(recursive=True) or left_in(bench):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        for file in ready.data["files"]:
            with pytest.raises(NotFound):
                await files.stat(TENANT, file["path"])
