"""What a recording holds, as JSON and back."""

import json
from fractions import Fraction

import pytest

from deployments.contracts.media import AudioTrack, MediaInfo, SubtitleTrack, VideoTrack
from deployments.video.probe.media_info_json import from_json, to_json

VIDEO = VideoTrack(
    index=0, codec="h264", width=1080, height=1920, coded_width=1920, coded_height=1080,
    rotation=90, sar=Fraction(4, 3), fps=Fraction(30_000, 1001), vfr=True, frames=None,
    pixel_format="yuv420p10le", bits=10, hdr="pq", interlaced=False, start=0.083,
)  # fmt: skip


@pytest.mark.parametrize(
    "info",
    [
        pytest.param(MediaInfo("mov,mp4", 12.5, 999, VIDEO), id="picture"),
        pytest.param(
            MediaInfo("wav", 1.0, 10, None, (AudioTrack(0, "pcm", 6, 8_000, None, -0.02),)),
            id="sound",
        ),
        pytest.param(
            MediaInfo(
                "matroska", 3.0, 10, VIDEO,
                (AudioTrack(1, "aac", 2, 48_000, "eng"), AudioTrack(2, "opus", 1, 48_000, "deu")),
                (SubtitleTrack(3, "mov_text", "eng", True), SubtitleTrack(4, "pgs", None, False)),
            ),
            id="everything",
        ),
    ],
)  # fmt: skip
def test_nothing_is_lost_through_json(info: MediaInfo) -> None:
    assert from_json(json.loads(json.dumps(to_json(info)))) == info
