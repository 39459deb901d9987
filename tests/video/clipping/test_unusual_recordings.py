"""Whole jobs over recordings from life: sound alone, a camera that died, a damaged stretch."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from deployments.contracts.jobs import Job, JobOutput
from tests.media_fixtures.eyes import beeps, pictures
from tests.media_fixtures.recordings import Recording, build, remux
from tests.video.clipping.worker_harness import TENANT, WorkerHarness, open_worker

CUES = "\n".join(
    f"{n + 1}\n00:00:0{n},200 --> 00:00:0{n},900\nNumber {n} it is.\n" for n in range(6)
)
SOUNDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "mp3": ("mp3", ("-c:a", "libmp3lame")),
    "m4a": ("m4a", ("-c:a", "aac")),
    "wav": ("wav", ("-c:a", "pcm_s16le")),
    "flac": ("flac", ("-c:a", "flac")),
    "opus": ("ogg", ("-c:a", "libopus")),
    "vorbis": ("ogg", ("-c:a", "libvorbis")),
    "webm": ("webm", ("-c:a", "libopus")),
}


def covered(folder: Path) -> Path:
    """An MP3 with a cover, as podcasts are."""
    plain = build(Recording(sees=False, audio=("-c:a", "libmp3lame")), folder / "plain.mp3")
    cover = remux(
        folder / "cover.jpg", "-f", "lavfi", "-i", "color=red:s=300x300", "-frames:v", "1"
    )
    maps = ("-map", "0:a", "-map", "1:v", "-c", "copy", "-disposition:v:0", "attached_pic")
    return remux(folder / "covered.mp3", "-i", str(plain), "-i", str(cover), *maps)


def sound_file(kind: str, folder: Path) -> Path:
    if kind == "mp3 with a cover":
        return covered(folder)
    suffix, coded = SOUNDS[kind]
    return build(Recording(sees=False, audio=coded), folder / f"sound.{suffix}")


async def fetch(harness: WorkerHarness, part: JobOutput, folder: Path, kind: str = "video") -> Path:
    """A clip's file."""
    [file] = [file for file in part.data["files"] if file["kind"] == kind]
    path = folder / Path(file["path"]).name
    await harness.worker.media.files.fetch(TENANT, file["path"], path)
    return path


@pytest.mark.parametrize(
    "kind",
    ["mp3 with a cover", *(pytest.param(kind, marks=pytest.mark.exhaustive) for kind in SOUNDS)],
)
async def test_sound_alone_becomes_a_captioned_waveform(
    home: Path, tmp_path: Path, kind: str
) -> None:
    async with open_worker(home) as harness:
        spec = await harness.add_video(sound_file(kind, tmp_path), CUES)
        assert spec.info.video is None
        job, [part] = await harness.wait_until_ended(
            await harness.submit(spec, count=1, min_s=3.0, max_s=6.0)
        )

        assert job.state == "succeeded", job.problem
        video = next(file for file in part.data["files"] if file["kind"] == "video")
        assert (video["width"], video["height"]) == (540, 960)
        assert video["report"]["problems"] == []
        assert video["report"]["loudness"] is not None
        assert part.data["captions"]["style"] == "karaoke"
        start, end = part.data["start"], part.data["end"]
        file = await fetch(harness, part, tmp_path)
        _, luma = pictures(file)
        assert luma.shape[1:] == (960, 540)
        assert luma.shape[0] == pytest.approx((end - start) * 30, abs=1)
        assert luma[:, 640:].max() > 200, "there are captions"
        assert luma[:, 330:630].max() > 120, "there is a wave"
        expected = [beep - start for beep in (0.0, 2.0, 4.0) if start <= beep < end - 0.1]
        assert beeps(file) == pytest.approx(expected, abs=0.03)


async def job_of(home: Path, file: Path, **options: object) -> tuple[Job, tuple[JobOutput, ...]]:
    async with open_worker(home) as harness:
        spec = await harness.add_video(file)
        return await harness.wait_until_ended(
            await harness.submit(spec, captions="none", texts=False, **options)
        )


async def test_clips_end_where_the_camera_died_though_the_sound_goes_on(
    home: Path, tmp_path: Path
) -> None:
    hum = "aeval='0.2*sin(2*PI*300*t)':c=same"
    dead = Recording(suffix="mkv", shape="trim=end=3.2", sound=hum)
    path = build(dead, tmp_path / "dead.mkv")
    job, parts = await job_of(home, path, count=4, min_s=1.0, max_s=2.0)

    assert job.state == "succeeded", job.problem
    assert parts
    for part in parts:
        assert part.state == "ready"
        assert part.data["end"] <= 3.7
        [video] = [file for file in part.data["files"] if file["kind"] == "video"]
        assert video["report"]["problems"] == []


async def test_a_range_without_a_picture_fails_with_the_range_that_has_one(
    home: Path, tmp_path: Path
) -> None:
    path = build(Recording(suffix="mkv", shape="trim=end=2"), tmp_path / "dead.mkv")
    job, parts = await job_of(home, path, start=3.5)

    assert (job.state, parts) == ("failed", ())
    assert "has a picture from 0.0 to 2.0 s only" in job.problem["detail"]


async def test_a_stretch_that_cannot_be_analysed_is_framed_without_analysis(
    home: Path, tmp_path: Path
) -> None:
    """Garbage in the middle of a transport stream."""
    whole = build(Recording(suffix="ts", rate="25"), tmp_path / "whole.ts").read_bytes()
    third = len(whole) // 3
    broken = tmp_path / "broken.ts"
    broken.write_bytes(whole[:third] + os.urandom(2 * len(whole)) + whole[third:])
    job, parts = await job_of(home, broken, count=1, min_s=4.0, max_s=5.0)

    assert job.state in ("succeeded", "partial"), job.problem
    assert [part.state for part in parts] == ["ready"]
