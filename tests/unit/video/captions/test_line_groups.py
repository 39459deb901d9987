"""Cues of a phrase that does not fit into one: split evenly, or as full as possible."""

from deployments.video.captions.grouping import CaptionCue, LineBudget, cues
from deployments.video.captions.words import TimedText


def measure(text: str) -> float:
    """W is a hundred times as wide as any other letter."""
    return 10.0 * text.count("W") + 0.1 * len(text)


def texts(phrase: tuple[CaptionCue, ...]) -> list[list[str]]:
    return [[segment.text for line in cue.lines for segment in line] for cue in phrase]


def test_a_phrase_that_lasts_too_long_for_one_cue_is_split() -> None:
    segments = [TimedText(1.5 * i, 1.5 * i + 1.4, "a") for i in range(6)]  # no pause between them
    budget = LineBudget(len, width=100, words=20, seconds=6.0)

    phrase = cues(segments, budget, duration=9.0)

    assert texts(phrase) == [["a"] * 3, ["a"] * 3]
    assert cues(segments, LineBudget(len, width=100, words=20, seconds=60.0), 9.0)[1:] == ()


def test_a_phrase_that_cannot_be_split_evenly_fills_each_cue() -> None:
    segments = [TimedText(0.2 * i, 0.2 * i + 0.2, text) for i, text in enumerate("aaaaaaaaW")]
    budget = LineBudget(measure, width=10.15, words=20, lines=1)

    assert texts(cues(segments, budget, duration=2.0)) == [["a"] * 8, ["W"]]
