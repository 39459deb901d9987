"""Analysis in one chunk and in several: the same bits, whatever a recording's container, coding and
timing; and where its pictures and sounds lie on the source's timeline."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from deployments.contracts.media import MediaFeatures, MediaSource
from deployments.sandbox.binary import ffmpeg_binary
from deployments.video.analysis import analyse_chunk, analyze_audio_task, chunks, merge, save
from deployments.video.probe.probe import probe
from tests.media_fixtures.in_process import children_in_process
from tests.media_fixtures.recordings import make

KINDS = (
    "vfr",
    "fps23976",
    "start_offset",
    "late_picture",
    "transport",
    "interlaced",
    "avi",
    "rotated90",
    "odd_size",
    "alpha",
    "ten_bit",
    "truncated",
    "one_keyframe",
    "cover_art",
)
SMOKE = {
    "vfr", "late_picture", "rotated90", "truncated", "open_gop.ts", "vp9.webm", "late_sound",
    "transport", "mp3", "silent",
}  # fmt: skip
CODINGS = {
    "open_gop.mp4": ("-c:v", "libx264", "-bf", "3", "-x264-params", "open-gop=1"),
    "open_gop.ts": ("-c:v", "libx264", "-bf", "3", "-x264-params", "open-gop=1"),
    "intra_refresh.ts": ("-c:v", "libx264", "-x264-params", "intra-refresh=1"),
    "hevc.mp4": ("-c:v", "libx265", "-x265-params", "keyint=40:bframes=4:open-gop=1"),
    "mpeg2.mpg": ("-c:v", "mpeg2video", "-bf", "2"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
}


@pytest.fixture(autouse=True)
def _in_process() -> Iterator[None]:
    with children_in_process():
        yield


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("every-kind")


def features_of(source: MediaSource, work: Path, wanted: int) -> bytes:
    parts = [analyse_chunk(source, part, work) for part in chunks(source, work, wanted)]
    save(merge(source.info, parts, None), work / "features.npz")
    return (work / "features.npz").read_bytes()


def smoke(name: str, *values: object) -> object:
    """The parameters of one case, which runs with --all only if it is not in SMOKE."""
    return pytest.param(name, *values, marks=() if name in SMOKE else pytest.mark.exhaustive)


@pytest.mark.parametrize("kind", [smoke(kind) for kind in KINDS])
def test_every_kind_gives_the_same_from_any_number_of_chunks(kind: str, work: Path) -> None:
    path = make(kind, work)
    source = MediaSource(path, probe(path, work), "")
    assert features_of(source, work, 1) == features_of(source, work, 3)


@pytest.mark.parametrize("name", [smoke(name) for name in CODINGS])
def test_every_coding_gives_the_same_from_any_number_of_chunks(name: str, work: Path) -> None:
    path = work / name
    picture = "testsrc2=s=160x90:r=30:d=5,noise=alls=10:allf=t"
    command = [ffmpeg_binary(), "-v", "error", "-nostdin", "-f", "lavfi", "-i", picture]
    preset = ("-preset", "ultrafast") if "libx26" in CODINGS[name][1] else ()
    subprocess.run([*command, *CODINGS[name], *preset, "-g", "40", str(path)], check=True)
    source = MediaSource(path, probe(path, work), "")

    assert len(chunks(source, work, 3)) == 3
    assert features_of(source, work, 1) == features_of(source, work, 3)


@cache
def audio_features_of(kind: str, work: Path) -> MediaFeatures:
    path = make(kind, work)
    source = MediaSource(path, probe(path, work), "")
    return merge(source.info, [], analyze_audio_task(source, work))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        smoke("late_sound", [2, 4]),
        smoke("start_offset", [0, 2, 4]),
        smoke("transport", [0, 2, 4]),
        smoke("surround", [0, 2, 4]),
        smoke("rate8k", [0, 2, 4]),
        smoke("webm", [0, 2, 4]),
        smoke("mp3", [0, 2, 4]),
        smoke("silent", []),
    ],
)
def test_beeps_are_heard_when_they_sound(kind: str, expected: list[float], work: Path) -> None:
    audio_features = audio_features_of(kind, work).audio
    assert audio_features is not None
    loud = np.concatenate(([False], audio_features.level > -30))
    onsets = audio_features.start + np.flatnonzero(loud[1:] & ~loud[:-1]) * audio_features.hop_s

    lag = 0.021 if kind == "transport" else 0  # the first sound is a frame of AAC later there
    assert onsets == pytest.approx(np.array(expected) + lag, abs=0.011)
