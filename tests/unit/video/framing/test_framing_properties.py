"""What holds of every framing, whatever was seen."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.media import VideoFeatures
from deployments.video.framing import frame
from deployments.video.framing.crop_path import crop_corridor, simplify, smooth_corners, taut_string
from tests.unit.video.framing.footage import recording, video_features

SHAPES = st.sampled_from([(1920, 1080), (1080, 1920), (640, 480), (501, 333), (2, 2), (4000, 100)])
ASPECT = st.sampled_from(["9:16", "1:1", "4:5", "16:9"])


@st.composite
def sightings(draw: st.DrawFn) -> VideoFeatures:
    seed = draw(st.integers(0, 2**32 - 1))
    numbers = np.random.default_rng(seed)
    walk = np.clip(0.5 + np.cumsum(numbers.normal(0, draw(st.floats(0, 0.2)), 101)), -0.2, 1.2)
    walk[numbers.random(101) < draw(st.floats(0, 1))] = math.nan
    cuts = sorted(draw(st.lists(st.floats(-1, 21), max_size=6)))
    return video_features(
        lambda time: float(walk[int(time * 5)]),
        size=draw(st.floats(0, 1)),
        confidence=lambda _: float(numbers.random()),
        cuts=cuts,
        duration=20.0,
        axis=draw(st.sampled_from([0, 1])),
    )


@given(sightings(), SHAPES, ASPECT, st.sampled_from(["auto", "follow"]), st.floats(0, 19))
def test_the_crop_keeps_to_the_picture_the_speed_and_the_shots(
    seen: VideoFeatures, shape: tuple[int, int], aspect: str, mode: str, start: float
) -> None:
    framing = frame(seen, recording(*shape), start, 20.0, aspect, mode)
    keys = framing.keys

    for key in keys:
        assert -1e-9 <= key.x <= 1 - framing.width + 1e-9
        assert -1e-9 <= key.y <= 1 - framing.height + 1e-9
    for before, after in zip(keys, keys[1:], strict=False):
        assert before.time < after.time
        if not after.jump:
            moved = max(abs(after.x - before.x), abs(after.y - before.y))
            assert moved <= 0.4 * (after.time - before.time) + 1e-9
            assert not any(before.time < cut <= after.time for cut in _far_apart(seen, start))
    assert {key.time for key in keys if key.jump} <= set(seen.cuts)
    assert all(start <= first < last <= 20 for first, last in framing.fits)
    assert frame(seen, recording(*shape), start, 20.0, aspect, mode) == framing


def _far_apart(seen: VideoFeatures, start: float) -> list[float]:
    """The cuts that are far enough from the ones before and the clip's edges to make a shot."""
    found = [start]
    for cut in seen.cuts:
        if cut - found[-1] >= 0.02 and cut <= 20 - 0.02:
            found.append(cut)
    return found[1:]


@given(
    st.floats(0, 1),
    st.floats(0, 0.3),
    st.floats(0, 0.02),
    st.sampled_from(["9:16", "1:1", "4:5"]),
    st.integers(0, 2**32 - 1),
)
def test_a_static_subject_leaves_the_crop_without_variance(
    at: float, size: float, noise: float, aspect: str, seed: int
) -> None:
    numbers = np.random.default_rng(seed)
    wobbly = video_features(lambda _: at + float(numbers.uniform(-noise, noise) / 2), size=size)
    keys = frame(wobbly, recording(), 0, 20, aspect, "follow").keys
    assert len({(key.x, key.y) for key in keys}) == 1


corridors = st.lists(st.tuples(st.floats(0, 0.7), st.floats(0, 0.3)), min_size=2, max_size=60).map(
    lambda rows: (np.array([low for low, _ in rows]), np.array([sum(row) for row in rows]))
)


@given(corridors, st.floats(0.005, 0.5))
def test_a_taut_string_stays_in_its_corridor_and_keeps_the_speed(
    corridor: tuple[np.ndarray, np.ndarray], rise: float
) -> None:
    low, high = crop_corridor(*corridor, rise)
    path = taut_string(low, high, 0.4)
    soft = smooth_corners(path, 9)

    assert (low <= high + 1e-12).all()
    assert (path >= low - 1e-9).all()
    assert (path <= high + 1e-9).all()
    assert np.abs(np.diff(path)).max() <= rise + 1e-9
    assert len(soft) == len(path)
    assert np.abs(np.diff(soft)).max() <= rise + 1e-9


@given(corridors)
def test_a_taut_string_has_the_lowest_top_speed_there_is(
    corridor: tuple[np.ndarray, np.ndarray],
) -> None:
    low, high = corridor
    path = taut_string(low, high, 0.4)
    steps = np.arange(len(low))
    gap = np.abs(steps[:, None] - steps[None, :])
    needed = (low[:, None] - high[None, :]) / np.where(gap, gap, np.inf)
    assert np.abs(np.diff(path)).max() == pytest.approx(max(0.0, needed.max()), abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=80), st.floats(0, 0.2))
def test_straight_lines_stay_near_the_path(values: list[float], tolerance: float) -> None:
    path = np.array(values)
    kept = simplify(path, tolerance)
    drawn = np.interp(np.arange(len(path)), kept, path[kept])
    assert np.abs(drawn - path).max() <= tolerance + 1e-9
    assert kept[0] == 0
    assert kept[-1] == len(path) - 1
