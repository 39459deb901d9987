"""Recordings of every kind give clips of one kind: in sync, whole, and as the output contract says
(notes D). Each clip begins between keyframes."""

import hashlib
import io
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from deployments.contracts.clips import ClipPlan, ClipReport, Framing, OutputPlan, RenderedFile
from deployments.contracts.media import MediaSource, Transcript, Word
from deployments.video.captions import captions
from deployments.video.quality import inspect
from deployments.video.render import render
from tests.media_fixtures.eyes import beeps, flashes, offsets_ms, pictures
from tests.media_fixtures.fixtures import recording  # noqa: F401
from tests.media_fixtures.plans import FIT, never
from tests.media_fixtures.recordings import KINDS, SECRET

START, END = 1.37, 5.4
SYNC_MS = 10.0
SAID = Transcript((Word(1.5, 2.4, "Look"), Word(2.5, 4.0, "here", True)), "sidecar", "en")
ASS = captions(SAID, START, END, "karaoke", 90, 160).ass
UPRIGHT = OutputPlan(Framing("9:16", True), 90, 160, ASS)
PLAN = ClipPlan(1, START, END, (FIT, UPRIGHT), quality="draft")
Recordings = Callable[[str], MediaSource]
Clip = tuple[MediaSource, list[RenderedFile], list[ClipReport]]


SMOKE = {
    "cover_art", "late_sound", "mp3", "one_keyframe", "rotated90", "silent", "ten_bit", "truncated",
    "vfr", "webm",
}  # fmt: skip


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(kind, marks=() if kind in SMOKE else pytest.mark.exhaustive)
        for kind in sorted(KINDS)
    ],
)
def clip(
    request: pytest.FixtureRequest,
    recording: Recordings,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Clip:
    folder = tmp_path_factory.mktemp(request.param)
    source = recording(request.param)
    files = list(render(PLAN, source, folder, None, never))
    reports = [inspect(file.path, PLAN, source, folder, never) for file in files[::2]]
    return source, files, reports


def test_a_clip_of_every_kind(clip: Clip) -> None:
    """One test for all promises: a module-scoped clip of each kind is rendered once."""
    source, files, reports = clip
    for video, thumbnail, report in zip(files[::2], files[1::2], reports, strict=True):
        in_sync(source, video.path)
        is_whole(source, report)
        keeps_the_contract(source, video)
        is_a_picture(thumbnail, shows=bool(source.info.video))


def in_sync(source: MediaSource, video: Path) -> None:
    shown, heard = bool(source.info.video), bool(source.info.audio)
    silent = source.sha256 == "silent"
    if shown and heard and not silent:
        offsets = offsets_ms(video)
        assert len(offsets) == (1 if source.sha256 == "truncated" else 2)
        assert max(map(abs, offsets)) <= SYNC_MS
        assert max(offsets) - min(offsets) <= SYNC_MS
    elif shown:
        shown_at = [round(flash + START, 1) for flash in flashes(video)]
        assert shown_at == [2.0, 4.0]
    else:
        assert [beep + START for beep in beeps(video)] == pytest.approx(
            [2.0, 4.0], abs=SYNC_MS / 1e3
        )


def is_whole(source: MediaSource, report: ClipReport) -> None:
    if source.sha256 == "truncated":
        assert report.partial
        assert report.problems[0].endswith("the recording ends early or is damaged there")
        return
    assert report.problems == ()
    assert abs(report.frames - report.expected_frames) <= 1
    assert report.black_frames == 0


def keeps_the_contract(source: MediaSource, video: RenderedFile) -> None:
    data = video.path.read_bytes()
    assert (video.bytes, video.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    assert SECRET.encode() not in data
    with av.open(io.BytesIO(data)) as container:
        assert container.format.name.startswith("mov,mp4")
        assert not {"title", "comment", "encoder", "creation_time"} & set(container.metadata)
        picture = container.streams.video[0]
        context = picture.codec_context
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
        assert (context.width, context.height) == (video.width, video.height)
        assert picture.sample_aspect_ratio in (None, Fraction(1))
        assert len(container.streams) == 1 + bool(source.info.audio)
        for sound in container.streams.audio:
            assert (sound.codec_context.name, sound.codec_context.sample_rate) == ("aac", 48_000)
            assert sound.codec_context.layout.name == "stereo"
            assert abs(sound.duration * sound.time_base - length(picture)) <= Fraction(1024, 48_000)
        frames = list(container.decode(picture))
    steps = {after.pts - before.pts for before, after in pairwise(frames)}
    assert len(steps) == 1, "the frame rate is not constant"
    assert frames[0].pts == 0
    if source.info.video and source.info.video.hdr != "sdr":
        assert {(frame.colorspace, frame.color_range) for frame in frames} == {(1, 1)}
        assert (context.color_primaries, context.color_trc) == (1, 1)


def length(stream: object) -> Fraction:
    return stream.duration * stream.time_base


def is_a_picture(thumbnail: RenderedFile, shows: bool) -> None:
    _, luma = pictures(thumbnail.path)
    assert luma.shape == (1, thumbnail.height, thumbnail.width)
    assert thumbnail.path.read_bytes().startswith(b"\xff\xd8\xff")
    assert np.ptp(luma) > 10 or not shows
