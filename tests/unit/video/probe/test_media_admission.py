"""What a recording may be: every limit by its name, whatever the child said of it."""

from dataclasses import replace
from fractions import Fraction

import pytest

from deployments.contracts.media import (
    AudioTrack,
    MediaInfo,
    MediaLimits,
    SubtitleTrack,
    VideoTrack,
)
from deployments.sandbox.errors import MediaTooLarge, MediaTooShort, NoMedia
from deployments.video.probe.probe import check_limits

VIDEO = VideoTrack(
    index=0,
    codec="h264",
    width=1280,
    height=720,
    coded_width=1280,
    coded_height=720,
    rotation=0,
    sar=Fraction(1),
    fps=Fraction(30),
    vfr=False,
    frames=None,
    pixel_format="yuv420p",
    bits=8,
    hdr="sdr",
    interlaced=False,
)
SOUND = AudioTrack(1, "aac", 2, 48_000)
INFO = MediaInfo("mov", 60.0, 10**6, VIDEO, (SOUND,))
LIMITS = MediaLimits()


def test_a_recording_within_the_limits_is_admitted() -> None:
    assert check_limits(INFO, LIMITS) is INFO
    assert check_limits(replace(INFO, video=None), LIMITS).audio == (SOUND,)
    assert check_limits(replace(INFO, audio=()), LIMITS).video == VIDEO


@pytest.mark.parametrize(
    ("info", "field", "got"),
    [
        (replace(INFO, duration=14_400.5), "max_duration_s", 14_400.5),
        (replace(INFO, audio=(SOUND,) * 40), "max_streams", 41),
        (replace(INFO, video=replace(VIDEO, fps=Fraction(1000))), "max_fps", 1000.0),
        (
            replace(INFO, video=replace(VIDEO, coded_width=8193, coded_height=4320)),
            "max_pixels",
            8193 * 4320,
        ),
        (replace(INFO, video=replace(VIDEO, width=50_000)), "max_pixels", 50_000 * 720),
    ],
)
def test_what_is_over_a_limit_is_refused_with_its_name(info, field: str, got: float) -> None:
    with pytest.raises(MediaTooLarge) as refused:
        check_limits(info, LIMITS)

    assert refused.value.extensions == {"field": field, "limit": getattr(LIMITS, field), "got": got}


def test_what_is_too_short_is_refused() -> None:
    with pytest.raises(MediaTooShort, match=r"0\.040 s; at least 0\.1 s"):
        check_limits(replace(INFO, duration=0.04), LIMITS)


def test_neither_picture_nor_sound_is_no_media() -> None:
    words = SubtitleTrack(0, "subrip", None, text=True)

    with pytest.raises(NoMedia):
        check_limits(MediaInfo("matroska", 60.0, 100, None, (), (words,)), LIMITS)
