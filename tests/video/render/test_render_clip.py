"""What a rendered clip is: the right frames, the right crop, the right loudness, and its files."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deployments.contracts.clips import ClipPlan, CropKeyframe, OutputPlan, RenderedFile
from deployments.contracts.media import MediaSource, Transcript, Word
from deployments.sandbox.errors import Cancelled, MediaDamaged
from deployments.video.captions import captions
from deployments.video.quality import inspect
from deployments.video.render import render
from tests.media_fixtures.eyes import numbers, pictures, sound
from tests.media_fixtures.plans import FIT, UPRIGHT, WHOLE, clip, following, never

Recordings = Callable[[str], MediaSource]


def made(plan: ClipPlan, source: MediaSource, folder: Path) -> tuple[RenderedFile, ...]:
    return render(plan, source, folder, None, never)


@pytest.mark.parametrize(
    ("kind", "start", "first", "step"),
    [
        ("plain", 1.37, 41, 1),
        ("plain", 0.0, 0, 1),
        ("one_keyframe", 1.37, 41, 1),
        ("transport", 1.37, 34, 1),
        ("start_offset", 1.37, 41, 1),
        ("late_picture", 1.37, 29, 1),
        ("interlaced", 1.37, 68, 2),
    ],
)
def test_the_first_and_the_last_frame_are_exact(
    recording: Recordings, tmp_path: Path, kind: str, start: float, first: int, step: int
) -> None:
    video, _ = made(clip(WHOLE, start=start, end=start + 2), recording(kind), tmp_path)
    shown = numbers(video.path)
    assert shown == list(range(first, first + step * len(shown), step))
    assert abs(len(shown) - 2 * recording(kind).info.video.fps) <= 1


def test_a_jump_is_seen_on_its_very_frame_and_not_before(
    recording: Recordings, tmp_path: Path
) -> None:
    """The crop jumps from the dark middle to the bright left edge on frame 20 of the clip."""
    start = 41 / 30
    jump = CropKeyframe(start + 20 / 30, 0.0, 0.0, jump=True)
    plan = clip(following(CropKeyframe(0.0, 0.34, 0.0), jump), start=2.2, end=3.4)
    plan = replace(plan, start=start, end=start + 1)
    video, _ = made(plan, recording("plain"), tmp_path)
    _, luma = pictures(video.path)
    top = luma[:, :100].mean(axis=(1, 2))
    dark = [number for number, value in enumerate(top) if value < 20]
    assert set(range(6)) | set(range(10, 19)) <= set(dark)
    assert dark[-1] < 20


def test_the_whole_picture_is_shown_in_a_fit_inside_a_followed_clip(
    recording: Recordings, tmp_path: Path
) -> None:
    start = 41 / 30
    fits = ((start + 10 / 30, start + 20 / 30),)
    plan = clip(following(CropKeyframe(0.0, 0.34, 0.0), fits=fits), start=start, end=start + 1)
    video, _ = made(plan, recording("plain"), tmp_path)
    _, luma = pictures(video.path)
    sides = luma[:, 60:80, :12].astype(float).mean(axis=(1, 2))
    shown = [number for number, value in enumerate(sides) if value > 40]
    assert [number for number in shown if not 18 < number < 24] == list(range(10, 19))


def test_one_run_makes_every_aspect_and_its_thumbnail(
    recording: Recordings, tmp_path: Path
) -> None:
    plan = clip(following(CropKeyframe(0.0, 0.1, 0.0)), FIT)
    files = made(plan, recording("plain"), tmp_path)
    assert [(file.kind, file.aspect) for file in files] == [
        ("video", "9:16"),
        ("thumbnail", "9:16"),
        ("video", "1:1"),
        ("thumbnail", "1:1"),
    ]
    for file in files:
        data = file.path.read_bytes()
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        _, luma = pictures(file.path)
        assert luma.shape[1:] == (file.height, file.width)


def test_equal_plans_give_equal_bytes(recording: Recordings, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = (made(clip(FIT), recording("plain"), folder) for folder in folders)
    assert [file.sha256 for file in first] == [file.sha256 for file in second]


def test_nothing_but_the_clip_is_left_in_the_folder(recording: Recordings, tmp_path: Path) -> None:
    made(clip(FIT), recording("plain"), tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"c1o0.mp4", "c1o0.jpg", "fonts", "plain.mp4"}


def test_captions_change_the_picture_where_they_stand_and_nowhere_else(
    recording: Recordings, tmp_path: Path
) -> None:
    """And never the thumbnail, which is taken without them."""
    said = Transcript((Word(1.4, 1.9, "Hello"), Word(1.9, 3.3, "world", True)), "sidecar", "en")
    ass = captions(said, 1.37, 3.37, "karaoke", *UPRIGHT).ass
    bare = following(CropKeyframe(0.0, 0.34, 0.0))
    plan = clip(bare, replace(bare, ass=ass), quality="final")
    without, still, with_captions, still_too = made(plan, recording("plain"), tmp_path)
    _, before = pictures(without.path)
    _, after = pictures(with_captions.path)
    changed = np.abs(before[30].astype(int) - after[30].astype(int)) > 60
    rows = np.flatnonzero(changed.any(axis=1))
    assert rows.size > 4
    assert rows.min() > 90
    assert still.sha256 == still_too.sha256


@pytest.mark.parametrize("kind", ["plain", "mono", "surround"])
def test_the_clip_is_as_loud_as_wanted(recording: Recordings, tmp_path: Path, kind: str) -> None:
    plan = clip(WHOLE, start=0.0, end=5.0, loudness=-16.0)
    video, _ = made(plan, recording(kind), tmp_path)
    report = inspect(video.path, plan, recording(kind), tmp_path, never)
    assert report.loudness == pytest.approx(-16.0, abs=0.5)


def test_sound_that_is_all_peaks_is_limited_below_full_scale(
    recording: Recordings, tmp_path: Path
) -> None:
    """A beep of 50 ms every two seconds, brought to -6 LUFS."""
    plan = clip(WHOLE, start=0.0, end=5.0, loudness=-6.0)
    video, _ = made(plan, recording("plain"), tmp_path)
    report = inspect(video.path, plan, recording("plain"), tmp_path, never)
    assert report.true_peak is not None
    assert report.true_peak < 0


def test_silence_stays_silent(recording: Recordings, tmp_path: Path) -> None:
    video, _ = made(clip(WHOLE), recording("silent"), tmp_path)
    _, _, samples = sound(video.path)
    assert np.abs(samples).max() < 1e-4


def test_progress_rises_to_the_end(recording: Recordings, tmp_path: Path) -> None:
    shares: list[float] = []
    render(clip(WHOLE), recording("plain"), tmp_path, shares.append, never)
    assert shares
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1


def test_a_cancelled_clip_leaves_no_file(recording: Recordings, tmp_path: Path) -> None:
    cancelled = iter([False, False, True])
    with pytest.raises(Cancelled):
        render(clip(WHOLE), recording("plain"), tmp_path, None, lambda: next(cancelled, True))
    assert not list(tmp_path.glob("c1*"))


def test_a_span_after_the_end_is_refused(recording: Recordings, tmp_path: Path) -> None:
    with pytest.raises(MediaDamaged, match="no picture in the clip's span"):
        made(clip(WHOLE, start=20.0, end=22.0), recording("plain"), tmp_path)
    assert not list(tmp_path.glob("c1*"))


def test_two_clips_of_a_job_share_a_folder(recording: Recordings, tmp_path: Path) -> None:
    first = made(clip(FIT), recording("plain"), tmp_path)
    second = made(replace(clip(FIT), index=2), recording("plain"), tmp_path)
    assert not {file.path for file in first} & {file.path for file in second}
    assert [file.sha256 for file in first] == [file.sha256 for file in second]


def test_what_is_transparent_turns_black(recording: Recordings, tmp_path: Path) -> None:
    whole = OutputPlan(WHOLE.framing, 160, 90)
    video, _ = made(clip(whole), recording("half_seen"), tmp_path)
    _, luma = pictures(video.path)
    assert luma[10, :50, 82:].mean() < 4
    assert luma[10, :50, :38].mean() > 40
