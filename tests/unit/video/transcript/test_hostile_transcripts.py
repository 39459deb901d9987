"""Whatever a stranger sends as a transcript takes a time that its length deserves, and no more."""

import contextlib
import time

import pytest

from deployments.video.transcript import TranscriptRefused, parse_transcript
from tests.unit.video.transcript.hostile import FOUND, OTHERS, SHAPES

SMALL, LARGE = 16 << 10, 256 << 10
GROWTH = 3.0  # of the time for a byte; a square would be 16
FLOOR_S = 0.01


def cpu_s(shape: str, size: int) -> float:
    """Of this thread, so that a busy machine does not count. The least of two."""
    kind, made = SHAPES[shape]
    data = made(size).encode("utf-8", "surrogatepass")[:size]
    taken = []
    for _ in range(2):
        began = time.thread_time()
        with contextlib.suppress(TranscriptRefused):
            parse_transcript(data, kind)
        taken.append(time.thread_time() - began)
    return min(taken)


def grows_in_proportion(shape: str) -> bool:
    allowed = max(FLOOR_S, cpu_s(shape, SMALL)) * LARGE / SMALL * GROWTH
    return cpu_s(shape, LARGE) <= allowed


@pytest.mark.parametrize("shape", FOUND)
def test_the_shapes_that_were_found_take_a_time_in_proportion(shape: str) -> None:
    assert grows_in_proportion(shape)


@pytest.mark.exhaustive
@pytest.mark.parametrize("shape", OTHERS)
def test_other_shapes_take_a_time_in_proportion(shape: str) -> None:
    assert grows_in_proportion(shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_ends_in_anything_but_words_or_a_refusal(shape: str) -> None:
    kind, made = SHAPES[shape]
    with contextlib.suppress(TranscriptRefused):
        assert parse_transcript(made(8 << 10).encode(), kind).notes is not None
