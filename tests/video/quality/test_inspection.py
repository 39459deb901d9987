"""Finished files are inspected as they are: what is wrong with them is found."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.contracts.media import MediaSource
from deployments.sandbox.binary import ffmpeg_binary
from deployments.video.quality import inspect
from deployments.video.render import render
from tests.media_fixtures.plans import FIT, WHOLE, clip, never

Recordings = Callable[[str], MediaSource]


def spoil(file: Path, *words: str) -> None:
    """Rewrites `file` with further arguments of ffmpeg."""
    made = file.with_name("spoilt.mp4")
    command = [ffmpeg_binary(), "-v", "error", "-y", "-i", str(file), *words, str(made)]
    subprocess.run(command, check=True, timeout=60)
    made.replace(file)


def test_a_fresh_clip_is_good(recording: Recordings, tmp_path: Path) -> None:
    source, plan = recording("plain"), clip(FIT, WHOLE, quality="final")
    files = render(plan, source, tmp_path, None, never)
    for video in files[::2]:
        report = inspect(video.path, plan, source, tmp_path, never, ssim=True)
        assert report.problems == ()
        assert (report.frames, report.expected_frames, report.black_frames) == (60, 60, 0)
        assert report.av_offset_ms == pytest.approx(0, abs=1)
        assert report.av_drift_ms == pytest.approx(0, abs=1)
        assert report.ssim is not None
        assert report.ssim > 0.98
    assert not list(tmp_path.glob("*.txt"))


def test_what_is_wrong_with_a_file_is_found(recording: Recordings, tmp_path: Path) -> None:
    source, plan = recording("plain"), clip(WHOLE)
    video, _ = render(plan, source, tmp_path, None, never)
    spoil(video.path, "-vf", "drawbox=t=fill", "-af", "adelay=80:all=1,volume=20dB")
    report = inspect(video.path, plan, source, tmp_path, never, ssim=True)
    assert report.black_frames == 60
    problems = " ".join(report.problems)
    assert "60 of 60 frames are black" in problems
    assert "LUFS instead of -14.0" in problems
    assert "sound ends" in problems
    assert "unlike its source" in problems


def test_a_recording_cut_short_gives_a_partial_clip(recording: Recordings, tmp_path: Path) -> None:
    source, plan = recording("truncated"), clip(WHOLE, end=5.4)
    video, _ = render(plan, source, tmp_path, None, never)
    report = inspect(video.path, plan, source, tmp_path, never)
    assert report.partial
    assert report.frames < report.expected_frames
    assert "the recording ends early" in report.problems[0]


def test_a_recording_without_sound_gives_a_good_clip_without_sound(
    recording: Recordings, tmp_path: Path
) -> None:
    source, plan = recording("no_audio"), clip(WHOLE)
    video, _ = render(plan, source, tmp_path, None, never)
    report = inspect(video.path, plan, source, tmp_path, never)
    assert report.problems == ()
    assert (report.av_offset_ms, report.loudness, report.true_peak) == (None, None, None)
