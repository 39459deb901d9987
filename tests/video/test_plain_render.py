"""A clip without captions is what plain ffmpeg makes of the same crop (notes B6): SSIM >= 0.98."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.contracts.clips import CropKeyframe
from deployments.contracts.media import MediaSource
from deployments.sandbox.binary import ffmpeg_binary
from deployments.video.render import render
from tests.media_fixtures.fixtures import recording  # noqa: F401
from tests.media_fixtures.plans import clip, following, never

Recordings = Callable[[str], MediaSource]


def ffmpeg(*words: str) -> str:
    command = [ffmpeg_binary(), "-hide_banner", "-nostdin", "-y", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stderr


def ssim(one: Path, other: Path) -> float:
    log = ffmpeg("-i", str(one), "-i", str(other), "-lavfi", "ssim", "-f", "null", "-")
    return float(re.findall(r"All:([0-9.]+)", log)[-1])


@pytest.mark.parametrize("kind", ["plain", "one_keyframe", "fps2997"])
def test_a_crop_is_what_plain_ffmpeg_makes_of_it(
    recording: Recordings,  # noqa: F811
    tmp_path: Path,
    kind: str,
) -> None:
    """Plain ffmpeg decodes from the beginning (`-ss` after `-i`): the slow way that is exact."""
    source = recording(kind)
    plan = clip(following(CropKeyframe(0.0, 0.25, 0.0)), quality="final")
    video, _ = render(plan, source, tmp_path, None, never)
    crop = "crop=50:90:40:0:exact=1,scale=90:160:flags=bicubic,setsar=1"
    span_and_crop = ("-ss", "1.355", "-t", "2", "-an", "-vf", crop)
    encode = ("-c:v", "libx264", "-preset", "medium", "-crf", "19", "-pix_fmt", "yuv420p")
    plain = tmp_path / "plain-ffmpeg.mp4"
    ffmpeg("-i", str(source.path), *span_and_crop, *encode, str(plain))
    assert ssim(video.path, plain) >= 0.98
