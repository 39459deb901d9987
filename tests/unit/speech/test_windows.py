"""Which part of a block is recognised at once, and where its times are in the block."""

import pytest

from deployments.speech.windows import BLOCK_S, RATE, WINDOW_S, Window, next_window

BLOCK = round(BLOCK_S * RATE)


def spans(*seconds: tuple[float, float]) -> list[tuple[int, int]]:
    return [(round(start * RATE), round(end * RATE)) for start, end in seconds]


def test_speech_is_put_together_until_the_window_is_full() -> None:
    window = next_window(spans((1, 11), (15, 25), (26, 36), (40, 41)), BLOCK, last=True)

    assert list(window.spans) == spans((1, 11), (15, 25), (26, 36))
    assert window.samples == WINDOW_S * RATE
    assert window.consumed == 40 * RATE


def test_a_block_without_speech_is_done_but_for_what_may_be_the_beginning_of_a_word() -> None:
    assert next_window([], BLOCK, last=False) == Window((), BLOCK - RATE)
    assert next_window([], BLOCK, last=True) == Window((), BLOCK)
    assert next_window([], RATE, last=False).consumed > 0


def test_speech_that_goes_on_after_the_block_belongs_to_the_next_window() -> None:
    talk = spans((1, 5), (50, 60))

    assert next_window(talk, BLOCK, last=False).consumed == 50 * RATE
    assert list(next_window(talk, BLOCK, last=True).spans) == talk
    alone = next_window(spans((31, 60)), BLOCK, last=False)
    assert (list(alone.spans), alone.consumed) == (spans((31, 60)), BLOCK)


@pytest.mark.parametrize(
    ("time", "within", "second"),
    [
        pytest.param(0.0, 0.0, 10.0, id="the beginning"),
        pytest.param(1.5, 1.5, 11.5, id="in the first span"),
        pytest.param(2.5, 2.5, 20.5, id="in the second"),
        pytest.param(2.0, 1.9, 12.0, id="an end where the first one ends"),
        pytest.param(2.0, 2.1, 20.0, id="a start where the second one starts"),
        pytest.param(2.3, 1.9, 12.0, id="no word reaches over a silence"),
        pytest.param(9.0, 9.0, 25.0, id="nor beyond the window"),
    ],
)
def test_times_are_those_of_the_block(time: float, within: float, second: float) -> None:
    window = Window(tuple(spans((10, 12), (20, 25))), BLOCK)

    assert window.source_s(time, within) == pytest.approx(second, abs=0.001)
