"""Sizes: even, of the wanted shape, and no larger than the source's pixels are worth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.clips import ASPECTS
from deployments.contracts.media import MediaInfo
from deployments.video.framing import output_size
from tests.unit.video.framing.footage import recording

FULL_HD = recording()
SMALL = recording(320, 180)


@pytest.mark.parametrize(
    ("source", "aspect", "quality", "fit", "size"),
    [
        pytest.param(FULL_HD, "9:16", "draft", False, (540, 960), id="draft"),
        pytest.param(FULL_HD, "9:16", "standard", False, (608, 1080), id="a crop is not enlarged"),
        pytest.param(FULL_HD, "9:16", "standard", True, (720, 1280), id="fitted: more pixels"),
        pytest.param(FULL_HD, "9:16", "final", False, (1080, 1920), id="final is enlarged"),
        pytest.param(FULL_HD, "16:9", "final", False, (1920, 1080), id="whole picture"),
        pytest.param(FULL_HD, "4:5", "standard", False, (720, 900), id="four to five"),
        pytest.param(FULL_HD, "1:1", "final", False, (1080, 1080), id="square"),
        pytest.param(recording(3840, 2160), "9:16", "standard", False, (720, 1280), id="4K"),
        pytest.param(recording(1080, 1920), "16:9", "draft", False, (960, 540), id="tall source"),
        pytest.param(SMALL, "1:1", "standard", False, (180, 180), id="small source"),
        pytest.param(SMALL, "1:1", "final", False, (360, 360), id="small source, at most twice"),
    ],
)
def test_sizes(source: MediaInfo, aspect: str, quality: str, fit: bool, size: object) -> None:
    assert output_size(source, aspect, quality, fit) == size


@given(
    st.integers(1, 8192),
    st.integers(1, 8192),
    st.sampled_from(sorted(ASPECTS)),
    st.sampled_from(["draft", "standard", "final"]),
)
def test_sizes_are_even_and_of_the_wanted_shape(
    width: int, height: int, aspect: str, quality: str
) -> None:
    wide, high = output_size(recording(width, height), aspect, quality)
    assert (wide % 2, high % 2) == (0, 0)
    assert 160 <= min(wide, high) <= 1080
    assert wide / high == pytest.approx(ASPECTS[aspect][0] / ASPECTS[aspect][1], rel=0.012)


@pytest.mark.parametrize(("quality", "short"), [("draft", 540), ("standard", 720), ("final", 1080)])
def test_what_is_drawn_for_sound_alone_is_as_large_as_the_quality_has_it(
    quality: str, short: int
) -> None:
    assert output_size(MediaInfo("wav", 5.0, 1, None), "9:16", quality, True) == (
        short,
        short * 16 // 9,
    )
