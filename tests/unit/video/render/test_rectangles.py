"""Every rectangle a picture is cut or scaled to lies inside it, and is even where it has to be."""

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.clips import ASPECTS, ClipPlan, CropKeyframe, Framing, OutputPlan
from deployments.contracts.media import MediaInfo, VideoTrack
from deployments.sandbox import ChildLimits
from deployments.video.framing import frame, output_size
from deployments.video.render.command import command
from deployments.video.render.loudness import Gain
from deployments.video.render.span import Span
from deployments.video.render.workspace import Workspace
from tests.media_fixtures.plans import never

SPAN = Span(0.0, 0.0, 0.0, 0.0, 0.5, Fraction(25), 50, None)
WORK = Workspace(Path("nowhere"), "source.mp4", 1, 1, ChildLimits(), never)
FEWER_CHROMA = ("yuv420p", "yuv422p", "yuv420p10le", "yuv422p10le", "nv12", "yuvj420p")
FORMATS = (*FEWER_CHROMA, "yuv444p", "yuv444p10le", "rgb24", "yuva420p", "gray", "gbrp")
EXACT = ("yuv420p", "yuvj420p", "yuv422p")
CROP = re.compile(r"crop(?:@\w+)?=([^,\[;]*)")
SCALE = re.compile(r"\bscale=([^,\[;]*)")
OVERLAY = re.compile(r"overlay=([^,\[;]*)")

lengths = st.integers(1, 4_096)
shares = st.floats(-0.2, 1.2)
keys = st.lists(
    st.builds(CropKeyframe, st.floats(0, 2), shares, shares, st.booleans()), max_size=4
).map(lambda found: tuple(sorted(found, key=lambda key: key.time)))


@st.composite
def tracks(draw: st.DrawFn) -> VideoTrack:
    coded = (draw(lengths), draw(lengths))
    sar = draw(st.sampled_from([Fraction(1), Fraction(4, 3), Fraction(8, 9), Fraction(10)]))
    rotation = draw(st.sampled_from([0, 90, 180, 270]))
    wide, high = max(1, round(coded[0] * sar)), coded[1]
    size = (high, wide) if rotation % 180 else (wide, high)
    return VideoTrack(
        0, "h264", *size, *coded, rotation, sar, Fraction(25), False, None,
        draw(st.sampled_from(FORMATS)), 8, "sdr", False,
    )  # fmt: skip


def graph(track: VideoTrack, output: OutputPlan) -> tuple[str, list[str]]:
    """The filters of a clip, and its files of commands."""
    info = MediaInfo("mov", 9.0, 1, track)
    made = command(ClipPlan(1, 0.0, 2.0, (output,)), info, SPAN, Gain(), WORK)
    return made.argv[made.argv.index("-filter_complex") + 1], list(made.files.values())


def options(text: str) -> dict[str, int]:
    found = (pair.split("=", 1) for pair in text.split(":") if "=" in pair)
    return {name: int(value) for name, value in found if value.lstrip("-").isdigit()}


@given(tracks(), st.sampled_from(sorted(ASPECTS)), st.sampled_from(["auto", "follow", "fit"]), keys)
def test_every_crop_lies_inside_the_picture_and_every_size_is_even(
    track: VideoTrack, aspect: str, mode: str, path: tuple[CropKeyframe, ...]
) -> None:
    info = MediaInfo("mov", 9.0, 1, track)
    framing = replace(frame(None, info, 0.0, 2.0, aspect, mode), keys=path)
    width, height = output_size(info, aspect, "standard", framing.fit)
    filters, moves = graph(track, OutputPlan(framing, width, height))

    first, *scales = [options(text) for text in SCALE.findall(filters)]
    picture = (first["w"], first["h"])
    turned = track.rotation % 180 != 0
    stored = (track.coded_width, track.coded_height)[:: -1 if turned else 1]
    assert picture == tuple(max(2, length) for length in stored)
    for crop in map(options, CROP.findall(filters)):
        inside(crop, picture, track.pixel_format)
        for x, y in re.findall(r" x (\S+), \S+ y (\S+);", "\n".join(moves)):
            inside({**crop, "x": int(x), "y": int(y)}, picture, track.pixel_format)
    for scale in scales:
        if "w" in scale:
            assert min(scale["w"], scale["h"]) >= 2
            assert scale["w"] % 2 == scale["h"] % 2 == 0
    for place in map(options, OVERLAY.findall(filters)):
        before = scales[-2] if "w" not in scales[-1] else scales[-1]
        assert min(place.values()) >= 0
        assert place["x"] + before["w"] <= width
        assert place["y"] + before["h"] <= height


def inside(crop: dict[str, int], picture: tuple[int, int], pixel_format: str) -> None:
    assert crop["w"] % 2 == crop["h"] % 2 == 0
    assert 2 <= crop["w"] <= picture[0]
    assert 2 <= crop["h"] <= picture[1]
    x, y = crop.get("x", 0), crop.get("y", 0)
    assert 0 <= x <= picture[0] - crop["w"]
    assert 0 <= y <= picture[1] - crop["h"]
    if pixel_format in FEWER_CHROMA and pixel_format not in EXACT:
        assert x % 2 == y % 2 == 0


@pytest.mark.parametrize(("size", "crop"), [((541, 303), (170, 302)), ((640, 361), (202, 360))])
def test_an_odd_picture_is_cut_short_of_its_odd_edge(
    size: tuple[int, int], crop: tuple[int, int]
) -> None:
    track = VideoTrack(
        0, "vp8", *size, *size, 0, Fraction(1), Fraction(25), False, None, "yuv420p", 8, "sdr",
        False,
    )  # fmt: skip
    share = 9 * size[1] / (16 * size[0])
    filters, _ = graph(track, OutputPlan(Framing("9:16", False, share, 1.0), 180, 320))
    found = options(CROP.findall(filters)[0])
    assert (found["w"], found["h"]) == crop
