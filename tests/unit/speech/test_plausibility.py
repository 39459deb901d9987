"""What a recogniser invents is dropped, what was said is kept; times do not fall."""

from dataclasses import replace

import pytest

from deployments.contracts.speech import SpeechSegment, SpeechWord
from deployments.speech.plausibility import in_order, plausible


def said(text: str, each: float = 0.3, **changes: float) -> SpeechSegment:
    words = tuple(
        SpeechWord(f" {word}", n * each, (n + 1) * each, 0.9) for n, word in enumerate(text.split())
    )
    end = words[-1].end if words else 1.0
    segment = SpeechSegment(0.0, end, f" {text}", words, 0.05, -0.3, 1.3)
    return replace(segment, **changes)


@pytest.mark.parametrize(
    "text", ["Hello there.", "No, no, no.", "Ja", "42", "(laughs) and then he said", "你好世界"]
)
def test_speech_is_kept_as_it_is(text: str) -> None:
    assert plausible(said(text)) == said(text)


@pytest.mark.parametrize(
    "text", ["", "...", "♪", "[MUSIC]", "(upbeat music)", "*coughing*", "♪ la la ♪", " - "]
)
def test_what_is_no_word_is_not(text: str) -> None:
    assert plausible(said(text or "x") if text else replace(said("x"), text="")) is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"no_speech_probability": 0.7, "average_log_probability": -1.1}, id="silence"),
        pytest.param({"average_log_probability": -1.7}, id="a guess"),
        pytest.param(
            {"compression_ratio": 2.6, "average_log_probability": -1.2}, id="it repeats itself"
        ),
    ],
)
def test_what_the_recogniser_doubts_is_dropped(changes: dict[str, float]) -> None:
    assert plausible(said("Thank you.", **changes)) is None


def test_nobody_speaks_a_hundred_words_a_second() -> None:
    assert plausible(said("word " * 30, each=0.01)) is None


def test_a_quiet_word_that_is_sure_is_kept() -> None:
    assert plausible(said("Yes.", no_speech_probability=0.9)) is not None


def test_a_loop_is_cut_after_its_first_round() -> None:
    looped = plausible(said("I mean it, and so on and so on and so on and so on and so on"))

    assert looped is not None
    assert looped.text.split() == ["I", "mean", "it,", "and", "so", "on"]
    assert looped.end == looped.words[-1].end
    wordless = plausible(replace(said("go go go go go go"), words=()))
    assert wordless is not None
    assert wordless.text == "go"


def test_words_do_not_overlap_and_do_not_go_back() -> None:
    words = (
        SpeechWord(" a", 1.0, 2.5, 1.0),
        SpeechWord(" b", 2.0, 3.0, 1.0),
        SpeechWord(" c", 1.9, 3.5, 1.0),
    )
    ordered = in_order(SpeechSegment(1.0, 3.5, " a b c", words), after=1.5)

    assert ordered is not None
    assert [(word.start, word.end) for word in ordered.words] == [
        (1.5, 2.0),
        (2.0, 2.0),
        (2.0, 3.5),
    ]
    assert (ordered.start, ordered.end) == (1.5, 3.5)
    assert in_order(ordered, after=4.0) is None
