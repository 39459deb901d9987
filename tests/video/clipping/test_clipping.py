"""Whole jobs of clips, with every stage real: fetched, analysed, ranked, rendered, stored."""

import asyncio
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cluster.runtime.problems import NotFound
from deployments.contracts.jobs import JobOutput
from tests.video.clipping.worker_harness import (
    TENANT,
    ClippedTalk,
    RecordingExecutor,
    ReversingTextModel,
    WorkerHarness,
    open_worker,
)


def starts(parts: tuple[JobOutput, ...]) -> list[float]:
    return [part.data["start"] for part in parts]


async def first_event_times(harness: WorkerHarness, job_id: str) -> dict[str, float]:
    """When each kind of event of the job came first; `part N ready` for clips."""
    times: dict[str, float] = {}
    for event in await harness.worker.media.jobs.events(TENANT, job_id, 0, 1000):
        name = event.kind
        if name == "part":
            name = f"part {event.data['number']} {event.data['state']}"
        times.setdefault(name, event.at)
    return times


async def test_a_talk_becomes_clips_the_best_of_which_is_ready_first(
    clipped_talk: ClippedTalk, clipped_home: Path
) -> None:
    job, parts = clipped_talk.job, clipped_talk.parts
    assert job.state == "succeeded", job.problem
    assert (job.percent, job.result["clips"], job.result["failed"]) == (100.0, 2, 0)
    assert job.result["transcript"]["origin"] == "sidecar"
    assert [part.state for part in parts] == ["ready", "ready"]
    assert parts[0].data["score"] >= parts[1].data["score"]
    assert clipped_talk.scratch == []

    async with open_worker(clipped_home) as harness:
        times = await first_event_times(harness, job.id)
        assert times["part 1 ready"] < times["part 2 running"]
        for part in parts:
            video, *others = part.data["files"]
            assert [file["kind"] for file in others] == ["thumbnail", "srt", "vtt"]
            assert video["report"]["problems"] == []
            assert 2.0 <= part.data["end"] - part.data["start"] <= 4.5
            assert part.data["captions"]["style"] == "karaoke"
            assert part.data["text"]["generated_by"] == "template"
            for file in part.data["files"]:
                stored = await harness.worker.media.files.stat(TENANT, file["path"])
                assert (stored.bytes, stored.sha256) == (file["bytes"], file["sha256"])


async def test_a_second_job_needs_no_second_analysis_and_the_text_model_orders_its_clips(
    clipped_talk: ClippedTalk, clipped_home: Path
) -> None:
    writer = ReversingTextModel()
    async with open_worker(clipped_home, writer=writer) as harness:
        job_id = await harness.submit(clipped_talk.spec, captions="none", rerank=True)
        job, parts = await harness.wait_until_ended(job_id)

    assert job.state == "succeeded", job.problem
    assert clipped_talk.calls["analyze_audio_task"] == 1
    assert harness.executor.calls["analyze_audio_task"] == 0
    assert starts(parts) == starts(clipped_talk.parts)[::-1]
    assert len(writer.prompts) == 1
    assert [part.data["text"]["generated_by"] for part in parts] == ["house", "house"]


async def test_a_worker_that_stops_half_way_leaves_its_clips_to_the_next(
    clipped_talk: ClippedTalk, clipped_home: Path
) -> None:
    """Without a transcript, so every frame is analysed."""
    async with open_worker(clipped_home) as harness:
        job_id = await harness.submit(replace(clipped_talk.spec, transcript=None))
        before = await harness.wait_until_ready(job_id, 1)

    async with open_worker(clipped_home) as another:
        job, parts = await another.wait_until_ended(job_id)

    assert job.state == "succeeded", job.problem
    assert (job.attempts, job.problem) == (1, None)
    assert parts[0] == before
    assert harness.executor.calls["analyze_audio_task"] == 1
    assert another.executor.calls["analyze_audio_task"] == 0
    assert another.executor.rendered == [2]
    for part in parts:
        assert part.data["captions"]["style"] == "none"
        assert "no transcript was given" in part.data["captions"]["why"]
        assert {file["kind"] for file in part.data["files"]} == {"video", "thumbnail"}


async def test_a_clip_that_cannot_be_made_says_why_and_the_others_are_ready(
    clipped_talk: ClippedTalk, clipped_home: Path
) -> None:
    async with open_worker(clipped_home, RecordingExecutor(failing=1)) as harness:
        job_id = await harness.submit(clipped_talk.spec, rerank=True)
        job, parts = await harness.wait_until_ended(job_id)

    assert (job.state, job.result["clips"], job.result["failed"]) == ("partial", 1, 1)
    assert [part.state for part in parts] == ["failed", "ready"]
    assert parts[0].data["problem"] == {
        "slug": "media-damaged",
        "detail": "This stretch cannot be decoded.",
    }
    assert parts[0].data["score"] >= parts[1].data["score"]  # no text model changes the order


async def test_a_cancelled_job_leaves_no_process_no_file_and_no_folder_behind(
    clipped_talk: ClippedTalk, clipped_home: Path
) -> None:
    async with open_worker(clipped_home) as harness:
        jobs, files = harness.worker.media.jobs, harness.worker.media.files
        job_id = await harness.submit(
            clipped_talk.spec, count=6, aspects=["9:16", "16:9"], texts=False
        )
        ready = await harness.wait_until_ready(job_id, 1)
        await jobs.cancel(TENANT, job_id)
        job, _ = await harness.wait_until_ended(job_id)

        assert job.state == "canceled"
        async with asyncio.timeout(60):
            while (  # noqa: ASYNC110 - the end of processes is no event
                psutil.Process().children(recursive=True) or harness.scratch_folders()
            ):
                await asyncio.sleep(0.02)
        for file in ready.data["files"]:
            with pytest.raises(NotFound):
                await files.stat(TENANT, file["path"])


async def test_a_clip_that_cannot_be_made_is_replaced_by_the_next_best(
    clipped_talk: ClippedTalk, clipped_home: Path
) -> None:
    executor = RecordingExecutor(failures=1)
    async with open_worker(clipped_home, executor) as harness:
        job_id = await harness.submit(clipped_talk.spec, captions="none", texts=False)
        job, parts = await harness.wait_until_ended(job_id)

    assert (job.state, job.result["clips"], job.result["failed"]) == ("succeeded", 2, 0)
    assert [part.state for part in parts] == ["ready", "ready"]
    assert [part.data["text"] for part in parts] == [None, None]
    replaced = parts[0].data
    assert replaced["instead_of"]["problem"] == {
        "slug": "media-damaged",
        "detail": "This stretch cannot be decoded.",
    }
    assert replaced["instead_of"]["start"] != replaced["start"]
    assert "instead_of" not in parts[1].data
    assert parts[1].data["start"] != replaced["start"]
