"""Words and sentences: where they are, in any text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.text.segments import find_sentences, find_urls, find_words


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in find_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We open today. Come by!", ["We open today.", "Come by!"]),
        ("Dr. Smith pays $3.50. Fine.", ["Dr. Smith pays $3.50.", "Fine."]),
        ("Really?! Yes...", ["Really?!", "Yes..."]),
        ("One line\nanother one", ["One line", "another one"]),
        ('She said "stop." Then left.', ['She said "stop."', "Then left."]),
        ("今日はいい天気です。行こう！", ["今日はいい天気です。", "行こう！"]),
        ("🎉🎉\n!!!", []),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_pause(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_links_handles_and_hashtags_are_no_words() -> None:
    text = "See https://example.com/a-b, @anna and #coffee at jo@example.com: it's well-made"
    assert [text[start:end] for start, end in find_words(text)] == [
        "See", "and", "at", "it's", "well-made",
    ]  # fmt: skip


def test_an_address_ends_before_the_punctuation_around_it() -> None:
    text = "(https://example.com/a?b=1). www.example.org!"
    assert [text[start:end] for start, end in find_urls(text)] == [
        "https://example.com/a?b=1",
        "www.example.org",
    ]


@settings(max_examples=40)
@given(st.text(max_size=120))
def test_places_are_inside_the_text_in_order_and_apart(text: str) -> None:
    for places in (find_words(text), find_sentences(text)):
        ends = [0, *(end for _, end in places)]
        for before, (start, end) in zip(ends, places, strict=False):
            assert before <= start < end <= len(text)


def test_a_long_run_of_punctuation_takes_linear_time() -> None:
    """Each dot was looked at from its own place to the end of the run: 17 s for this text."""
    assert find_sentences("." * 100_000 + "a") == [(0, 100_001)]
