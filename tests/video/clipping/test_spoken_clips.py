"""Whole jobs over a talk without a transcript, whose words come while the job works."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cluster.storage.tables import job_checkpoints, usage
from deployments.contracts.speech import SpeechSegment
from deployments.video import first_clip, worker
from deployments.video.clip_job import EARLY
from tests.unit.video.scripted_speech import ScriptedRecognizer, segment
from tests.video.clipping.worker_harness import WorkerHarness, open_worker

WINDOW_S = 2.0
SAID = [
    segment(2.0 * n, text)
    for n, text in enumerate(
        ["We buy the beans by name.", "This is the biggest mistake!", "It takes four minutes."] * 3
    )
]


@pytest.fixture
def recognizer(monkeypatch: pytest.MonkeyPatch) -> ScriptedRecognizer:
    return scripted(monkeypatch, SAID)


def scripted(monkeypatch: pytest.MonkeyPatch, said: Sequence[SpeechSegment]) -> ScriptedRecognizer:
    """What workers recognise from here on, when it is released."""
    made = ScriptedRecognizer(said, paced=True, window_s=WINDOW_S)
    monkeypatch.setattr(worker, "SpeechEngine", lambda *_, **__: made)
    return made


def release(recognizer: ScriptedRecognizer, windows: int) -> None:
    assert recognizer.paced is not None
    for _ in range(windows):
        recognizer.paced.release()


async def charged(harness: WorkerHarness) -> dict[str, int]:
    async with harness.worker.media.database.read() as connection:
        rows = await connection.execute(select(usage.c.unit, usage.c.amount))
        return {str(unit): int(amount) for unit, amount in rows}


async def test_the_first_clip_is_ready_before_the_rest_was_heard_and_another_worker_repeats_nothing(
    talk: Path, home: Path, recognizer: ScriptedRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_clip, "SHORTEST_S", 10.0)
    release(recognizer, 6)
    async with open_worker(home, speech="base") as harness:
        spec = await harness.add_video(talk)
        job_id = await harness.submit(spec, texts=False)
        first = await harness.wait_until_ready(job_id, 1)
        assert first.data["end"] <= 12.0

    rest = scripted(monkeypatch, SAID)
    release(rest, 10)
    async with open_worker(home, speech="base") as another:
        job, parts = await another.wait_until_ended(job_id)
        assert job.state == "succeeded", job.problem
        units = await charged(another)

    assert [heard.start for heard in rest.heard] == [12.0]
    assert another.executor.rendered == [2]
    assert parts[0] == first
    assert [part.data["captions"]["origin"] for part in parts] == ["speech", "speech"]
    assert [part.data["captions"]["style"] for part in parts] == ["karaoke", "karaoke"]
    assert job.result["transcript"]["origin"] == "speech"
    assert units["audio_seconds"] == 20


async def test_another_worker_makes_the_first_clip_that_was_chosen(
    talk: Path, home: Path, recognizer: ScriptedRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_clip, "SHORTEST_S", 10.0)
    release(recognizer, 6)
    async with open_worker(home, speech="base") as harness:
        spec = await harness.add_video(talk)
        job_id = await harness.submit(spec, texts=False)
        async with asyncio.timeout(60):
            while (choice := await early_choice(harness, job_id)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    rest = scripted(monkeypatch, SAID)
    release(rest, 10)
    async with open_worker(home, speech="base") as another:
        job, parts = await another.wait_until_ended(job_id)

    assert job.state == "succeeded", job.problem
    first = parts[0].data
    assert (first["start"], first["end"]) == (choice["start"], choice["end"])


async def early_choice(harness: WorkerHarness, job_id: str) -> dict[str, Any] | None:
    """The highlight of the first clip, once it is chosen."""
    of_job = (job_checkpoints.c.job == job_id, job_checkpoints.c.name == EARLY)
    async with harness.worker.media.database.read() as connection:
        data = await connection.scalar(select(job_checkpoints.c.data).where(*of_job))
        return None if data is None else dict(data["highlight"])


async def test_a_second_job_hears_nothing_again_and_pays_nothing_again(
    talk: Path, home: Path, recognizer: ScriptedRecognizer
) -> None:
    release(recognizer, 10)
    async with open_worker(home, speech="base") as harness:
        spec = await harness.add_video(talk)
        first, _ = await harness.wait_until_ended(await harness.submit(spec, count=1, texts=False))
        job_id = await harness.submit(spec, count=1, texts=False, captions="none")
        second, _ = await harness.wait_until_ended(job_id)
        assert (await charged(harness))["audio_seconds"] == 20

    assert (first.state, second.state) == ("succeeded", "succeeded")
    assert len(recognizer.heard) == 1
    assert second.result["transcript"] == first.result["transcript"]
