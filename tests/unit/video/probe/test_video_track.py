"""The arithmetic of pictures: shapes, turns, rates and evenness, without a recording."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from deployments.video.probe.duration import resolve_duration
from deployments.video.probe.video import (
    StreamHead,
    display_size,
    frame_rate,
    is_variable_rate,
    pixel_aspect_ratio,
)

MS = SimpleNamespace(time_base=Fraction(1, 1000))


@pytest.mark.parametrize(
    ("size", "sar", "rotation", "seen"),
    [
        ((1920, 1080), "1", 0, (1920, 1080)),
        ((1920, 1080), "1", 90, (1080, 1920)),
        ((1920, 1080), "1", 180, (1920, 1080)),
        ((720, 576), "16/11", 0, (1047, 576)),
        ((720, 576), "16/11", 270, (576, 1047)),
        ((1, 1), "1/10", 0, (1, 1)),
    ],
)
def test_display_size(size, sar, rotation, seen) -> None:
    assert display_size(*size, Fraction(sar), rotation) == seen


@pytest.mark.parametrize("sar", [None, Fraction(0), Fraction(1, 255), Fraction(65_535)])
def test_a_shape_that_no_camera_makes_is_square(sar) -> None:
    assert pixel_aspect_ratio(sar) == 1


@pytest.mark.parametrize("fps", [10.0, 23.976, 29.97, 59.94, 120.0])
def test_rounding_to_milliseconds_is_not_unevenness(fps: float) -> None:
    assert not is_variable_rate(StreamHead([round(n / fps, 3) for n in range(300)]), MS)


def test_the_order_in_which_pictures_are_stored_is_not_unevenness() -> None:
    stored = [n + step for n in range(0, 297, 3) for step in (2, 0, 1)]

    assert not is_variable_rate(StreamHead([n / 30 for n in stored]), MS)


def test_bursts_are_unevenness() -> None:
    times = [n / 10 for n in range(100)] + [10 + n / 30 for n in range(60)]

    assert is_variable_rate(StreamHead(times), MS)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_pictures_are_even(count: int) -> None:
    assert not is_variable_rate(StreamHead([n / 25 for n in range(count)]), MS)


def stream(average: object) -> SimpleNamespace:
    return SimpleNamespace(average_rate=average, guessed_rate=None)


def test_the_headers_rate_is_taken() -> None:
    assert frame_rate(stream(Fraction(30_000, 1001)), StreamHead(), 240.0) == Fraction(30_000, 1001)


@pytest.mark.parametrize("said", [None, Fraction(0), Fraction(90_000)])
def test_a_rate_that_cannot_be_is_measured(said) -> None:
    assert frame_rate(stream(said), StreamHead([n / 25 for n in range(50)]), 240.0) == 25


def test_a_rate_that_can_be_is_told_even_if_there_is_nothing_to_measure() -> None:
    assert frame_rate(stream(Fraction(1000)), StreamHead([0.0]), 240.0) == 1000
    assert frame_rate(stream(None), StreamHead([0.0]), 240.0) == 25


@pytest.mark.parametrize(
    ("said", "start", "seen", "length"),
    [
        pytest.param(11.0, 5.0, 6.0, 6.0, id="counted from 0"),
        pytest.param(6.0, 1.4, 6.0, 6.0, id="counted from the start"),
        pytest.param(6.0, 0.0, 3.0, 6.0, id="cut short"),
        pytest.param(3.0, 5.0, 0.0, 3.0, id="start after the end"),
    ],
)
def test_lengths_count_from_the_start(said, start, seen, length) -> None:
    assert resolve_duration(said, start, seen) == length
