"""A probe tells what a recording is in the terms of who watches it, or why it is refused."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deployments.contracts.media import MediaLimits
from deployments.sandbox.binary import ffmpeg_binary
from deployments.sandbox.errors import (
    Cancelled,
    MediaDamaged,
    MediaRefused,
    MediaTooLarge,
    NoMedia,
)
from deployments.video.probe.probe import probe

SIGHT = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=1")
X264 = ("-c:v", "libx264", "-preset", "ultrafast")
SOUND = ("-f", "lavfi", "-i", "sine=d=1")


def test_a_plain_recording_is_described(made, probed) -> None:
    path = made("plain")

    info = probed(path)

    assert (info.container, info.bytes) == ("mov", path.stat().st_size)
    assert info.duration == pytest.approx(6.0, abs=0.03)
    video = info.video
    assert (video.codec, video.width, video.height, video.rotation) == ("h264", 160, 90, 0)
    assert (video.fps, video.frames, video.vfr) == (30, 180, False)
    assert (video.pixel_format, video.bits, video.hdr, video.interlaced) == (
        "yuv420p",
        8,
        "sdr",
        False,
    )
    assert [(track.codec, track.channels, track.sample_rate) for track in info.audio] == [
        ("aac", 1, 48_000)
    ]


def test_a_variable_frame_rate_is_detected_from_time_stamps(made, probed) -> None:
    assert probed(made("vfr")).video.vfr


def test_times_count_from_the_containers_start(made, probed) -> None:
    info = probed(made("start_offset"))

    assert info.duration == pytest.approx(6.0, abs=0.03)
    assert (info.video.start, info.audio[0].start) == (0.0, 0.0)


def test_a_turned_recording_is_upright_in_display_space(made, probed) -> None:
    path = made("rotated90")

    video = probed(path).video

    assert (video.coded_width, video.coded_height) == (160, 90)
    assert (video.width, video.height) == (90, 160)
    assert np.abs(turned_by_us(path, video.rotation) - turned_by_ffmpeg(path)).mean() < 0.5


def turned_by_us(path: Path, rotation: int) -> np.ndarray:
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="gray")
    return np.rot90(picture, -rotation // 90).astype(float)


def turned_by_ffmpeg(path: Path) -> np.ndarray:
    raw = ("-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-")
    command = [ffmpeg_binary(), "-v", "error", "-i", str(path), *raw]
    out = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(out, dtype=np.uint8).reshape(160, 90).astype(float)


def test_oblong_pixels_are_made_square(made, probed) -> None:
    video = probed(made("sar")).video

    assert (video.sar, video.width, video.height) == (Fraction(4, 3), 213, 90)


def test_hdr_is_detected_from_the_transfer_function(made, probed) -> None:
    video = probed(made("hdr_pq")).video

    assert (video.hdr, video.bits) == ("pq", 10)


def test_cover_art_is_not_the_video(made, probed) -> None:
    video = probed(made("cover_art")).video

    assert (video.codec, video.width) == ("h264", 160)


def test_sound_alone_is_a_recording(ffmpeg, probed) -> None:
    info = probed(ffmpeg(*SOUND, "sound.mp3"))

    assert info.video is None
    assert len(info.audio) == 1
    assert info.duration == pytest.approx(1.0, abs=0.1)


def test_sound_with_a_cover_has_no_video(ffmpeg, probed) -> None:
    art = ("-f", "lavfi", "-i", "color=red:s=32x32:r=10:d=0.1")
    maps = ("-map", "0", "-map", "1", "-disposition:v", "attached_pic", "-c:v", "mjpeg")

    info = probed(ffmpeg(*SOUND, *art, *maps, "song.mp3"))

    assert info.video is None
    assert len(info.audio) == 1


def test_tracks_and_their_languages_are_listed(ffmpeg, probed, tmp_path: Path) -> None:
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nHello\n")
    said = ("-map", "0", "-map", "1", "-map", "1", "-map", "2", "-metadata:s:a:0", "language=eng")
    more = ("-metadata:s:a:1", "language=und", "-metadata:s:s:0", "language=deu", "-c:s", "copy")

    info = probed(
        ffmpeg(*SIGHT, *SOUND, "-i", tmp_path / "words.srt", *said, *more, *X264, "tracks.mkv")
    )

    assert [track.language for track in info.audio] == ["eng", None]
    assert [(track.codec, track.language, track.text) for track in info.subtitles] == [
        ("subrip", "deu", True)
    ]


def test_a_missing_duration_is_measured(ffmpeg, probed, tmp_path: Path) -> None:
    made = ffmpeg(*SIGHT, *X264, "made.mkv")
    pipe = [ffmpeg_binary(), "-v", "error", "-i", str(made), "-c", "copy", "-f", "matroska", "-"]
    streamed = tmp_path / "streamed.mkv"
    streamed.write_bytes(subprocess.run(pipe, check=True, capture_output=True).stdout)

    assert probed(streamed).duration == pytest.approx(1.0, abs=0.1)


def test_a_header_that_says_too_little_is_not_believed(ffmpeg, probed) -> None:
    path = ffmpeg(*SIGHT, *SOUND, *X264, "lie.mkv")
    data = path.read_bytes()
    offset = data.index(b"\x44\x89\x88") + 3  # EBML element Duration, 8 bytes: milliseconds
    path.write_bytes(data[:offset] + np.array([150.0], ">f8").tobytes() + data[offset + 8 :])

    assert probed(path).duration == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        pytest.param(MediaLimits(max_bytes=1000), "max_bytes", id="bytes"),
        pytest.param(MediaLimits(max_pixels=160 * 90 - 1), "max_pixels", id="pixels"),
        pytest.param(MediaLimits(max_streams=1), "max_streams", id="streams"),
    ],
)
def test_a_recording_over_a_limit_is_refused_with_its_name(made, probed, limits, field) -> None:
    with pytest.raises(MediaTooLarge) as refused:
        probed(made("plain"), limits)

    assert refused.value.extensions["field"] == field
    assert refused.value.extensions["limit"] == getattr(limits, field)
    assert field in refused.value.detail


def test_neither_picture_nor_sound_is_no_media(ffmpeg, probed, tmp_path: Path) -> None:
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nHello\n")

    with pytest.raises(NoMedia):
        probed(ffmpeg("-i", tmp_path / "words.srt", "words.mkv"))


def test_pictures_that_cannot_be_decoded_are_damage(ffmpeg, probed) -> None:
    path = ffmpeg(*SIGHT, *X264, "made.mp4")
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path.write_bytes(data)

    with pytest.raises(MediaDamaged):
        probed(path)


def test_text_is_refused(probed, tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_text("this is no recording\n" * 100)

    with pytest.raises(MediaRefused) as refused:
        probed(tmp_path / "talk.mp4")

    assert refused.value.status == 415


def test_a_probe_can_be_cancelled(made, work: Path) -> None:
    with pytest.raises(Cancelled):
        probe(made("plain"), work, cancel=lambda: True)


def test_a_probe_leaves_nothing_behind(made, probed, work: Path) -> None:
    probed(made("plain"))

    assert list(work.iterdir()) == []
    assert made("plain").exists()
