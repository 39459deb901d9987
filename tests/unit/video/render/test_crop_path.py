"""Where the crop is, frame by frame."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.clips import CropKeyframe, Framing
from deployments.video.render.cropping import commands, crop_segments

RATE = Fraction(30)
PIXELS = (1920, 1080)


def framing(*keys: CropKeyframe, fits: tuple[tuple[float, float], ...] = ()) -> Framing:
    return Framing("9:16", False, 0.3, 1.0, keys, fits)


def test_one_key_stands_still() -> None:
    (only,) = crop_segments(framing(CropKeyframe(10, 0.2, 0.0)), 10.0, RATE, 60, PIXELS)
    assert only.positions == ((0, 384, 0),)
    assert commands(only, RATE, "crop@a") == ""


def test_no_key_means_the_middle() -> None:
    (only,) = crop_segments(framing(), 10.0, RATE, 60, PIXELS)
    assert only.positions == ((0, 672, 0),)


def test_between_keys_the_crop_moves_in_a_straight_line() -> None:
    keys = (CropKeyframe(10, 0.0, 0.0), CropKeyframe(11, 0.3, 0.0))
    (only,) = crop_segments(framing(*keys), 10.0, RATE, 60, PIXELS)
    where = {frame: x for frame, x, _ in only.positions}
    assert where[15] == 288
    assert max(where) == 30


def test_a_jump_falls_on_the_frame_of_the_cut() -> None:
    keys = (CropKeyframe(10, 0.1, 0.0), CropKeyframe(10 + 20 / 30, 0.6, 0.0, jump=True))
    (only,) = crop_segments(framing(*keys), 10.0, RATE, 60, PIXELS)
    assert only.positions == ((0, 192, 0), (20, 1152, 0))
    first, _ = commands(only, RATE, "crop@a").split(" crop@a x ")
    assert 19 / 30 < float(first) < 20 / 30


def test_keys_before_the_clip_tell_where_it_begins() -> None:
    keys = (CropKeyframe(8, 0.0, 0.0), CropKeyframe(12, 0.4, 0.0))
    (only,) = crop_segments(framing(*keys), 10.0, RATE, 30, PIXELS)
    assert only.positions[0] == (0, 384, 0)


def test_a_fit_inside_splits_the_clip() -> None:
    parts = crop_segments(
        framing(CropKeyframe(10, 0.2, 0.0), fits=((11, 12),)), 10.0, RATE, 90, PIXELS
    )
    assert [(part.first, part.last, part.fit) for part in parts] == [
        (0, 30, False),
        (30, 60, True),
        (60, 90, False),
    ]


def test_a_fit_of_the_whole_clip_is_one_part() -> None:
    parts = crop_segments(framing(fits=((0, 99),)), 10.0, RATE, 90, PIXELS)
    assert [(part.first, part.last, part.fit) for part in parts] == [(0, 90, True)]


shares = st.floats(-0.5, 1.5)
KEYS = st.lists(
    st.builds(CropKeyframe, st.floats(8, 14), shares, shares, st.booleans()), max_size=8
).map(lambda keys: tuple(sorted(keys, key=lambda key: key.time)))
FITS = st.lists(st.tuples(st.floats(8, 14), st.floats(8, 14)), max_size=4).map(tuple)


@given(KEYS, FITS, st.integers(1, 120))
def test_every_frame_is_shown_once_and_no_crop_leaves_the_picture(
    keys: tuple[CropKeyframe, ...], fits: tuple[tuple[float, float], ...], frames: int
) -> None:
    parts = crop_segments(framing(*keys, fits=fits), 10.0, RATE, frames, PIXELS)
    assert [part.first for part in parts] == [0, *(part.last for part in parts[:-1])]
    assert parts[-1].last == frames
    for part in parts:
        assert part.last > part.first
        assert part.fit or part.positions[0][0] == 0
        assert all(0 <= x <= 0.7 * 1920 and y == 0 for _, x, y in part.positions)
