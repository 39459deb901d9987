"""Extractive summaries, and what a model's answer may name."""

import numpy as np
import pytest

from deployments.text.extractive import (
    MAX_SENTENCES,
    central_scores,
    choose_sentences,
    sentences_of_text,
    summarize_by_vectors,
    word_vectors,
)
from deployments.text.grounding import find_ungrounded

TEXT = (
    "The library opens a new reading room. The reading room of the library has forty seats. "
    "Coffee is sold at the door. The new reading room is quiet. Parking is hard to find."
)


def summary(text: str, count: int) -> list[str]:
    places = sentences_of_text(text)
    vectors = word_vectors([text[start:end] for start, end in places])
    return [part.text for part in summarize_by_vectors(text, places, vectors, count)]


def test_the_most_central_sentences_are_taken_word_for_word_in_their_order() -> None:
    found = summary(TEXT, 2)

    assert len(found) == 2
    assert all("reading room" in sentence and sentence in TEXT for sentence in found)
    assert TEXT.index(found[0]) < TEXT.index(found[1])


def test_a_sentence_that_repeats_another_is_not_taken() -> None:
    same = "Tea is hot today. " * 5 + "TEA is hot, today! The kettle whistles in the kitchen."

    assert summary(same, 3) == ["Tea is hot today.", "The kettle whistles in the kitchen."]


@pytest.mark.parametrize(("text", "count"), [("", 0), ("Hello.", 1), ("One. Two.", 2)])
def test_short_texts_are_their_own_summary(text: str, count: int) -> None:
    assert len(summary(text, 3)) == count


def test_a_long_text_is_bounded() -> None:
    text = " ".join(f"Sentence number {at} is here." for at in range(2_000))

    assert len(sentences_of_text(text)) == MAX_SENTENCES


def test_sentences_without_likeness_are_equally_central() -> None:
    scores = central_scores(np.eye(4, dtype=np.float32))

    assert scores == pytest.approx(np.full(4, 0.25))
    assert choose_sentences(scores, np.eye(4, dtype=np.float32), 2) == [0, 1]


SOURCE = (
    "Anna Berg opened 3 shops in Oslo in 2019 with $1,500.50. See https://shop.example/tea, "
    "write to info@shop.example or @annaberg. Well-known AT&T engineers met twice."
)


@pytest.mark.parametrize(
    "answer",
    [
        "In 2019, Anna Berg opened three shops.",
        "Berg's shops in Oslo cost $1500.5.",
        "The shops were opened. They are three.",
        "Read https://shop.example/tea or ask @AnnaBerg.",
        "Mail info@shop.example.",
        "It is well-known.",
        "",
    ],
)
def test_an_answer_that_names_only_what_the_source_names_passes(answer: str) -> None:
    assert find_ungrounded(answer, SOURCE) == []


@pytest.mark.parametrize(
    ("answer", "text", "kind"),
    [
        ("She opened 4 shops.", "4", "number"),
        ("It cost $15,005.", "15,005", "number"),
        ("The shops are in Bergen.", "Bergen", "name"),
        ("IKEA came too.", "IKEA", "name"),
        ("Then Anna met Peter.", "Peter", "name"),
        ("See https://shop.example/coffee now.", "https://shop.example/coffee", "url"),
        ("Write to boss@shop.example.", "boss@shop.example", "url"),
        ("Follow @peter!", "@peter", "handle"),
    ],
)
def test_what_the_source_does_not_name_is_found(answer: str, text: str, kind: str) -> None:
    found = find_ungrounded(answer, SOURCE)

    assert [(part.text, part.kind) for part in found] == [(text, kind)]
    assert answer[found[0].start : found[0].end] == text


def test_long_answers_take_linear_time_and_are_bounded() -> None:
    answer = "Peter " * 1_000 + "1" * 50_000 + "@" * 50_000 + "." * 50_000 + "a"

    assert len(find_ungrounded(answer, SOURCE)) == 50
