"""Citations: a mark stays only where a sentence of its passage says what the answer says."""

import pytest

from deployments.documents.citations import (
    Passage,
    cite_text,
    joined_answer,
    look_up,
    marks_of,
    split_answer,
    verify_sentence,
)
from deployments.documents.model import StoredBlock

TEXT = "The pump weighs 14 kg. It was  built in Graz\nby Ada Brandt. Nobody was hurt."
BLOCK = StoredBlock(3, 7, "text", TEXT)
BLOCKS = {("doc", 3): BLOCK}
PASSAGE = Passage(1, "doc", "Pumps", 7, 3, 0, 3, len(TEXT), TEXT, "Pumps > Weight")


def verified(sentence: str) -> tuple[list[str], tuple[int, ...]]:
    found = verify_sentence(sentence, {1: PASSAGE}, BLOCKS)
    return [citation.quote for citation in found.citations], found.removed


def test_a_true_mark_has_a_quote_at_its_place() -> None:
    citation = verify_sentence("The pump weighs 14 kg [1].", {1: PASSAGE}, BLOCKS).citations[0]

    assert (citation.page, citation.block, citation.quote) == (7, 3, "The pump weighs 14 kg.")
    assert TEXT[citation.start : citation.end] == citation.quote


@pytest.mark.parametrize(
    "sentence",
    [
        "The pump weighs 15 kg [1].",  # another number
        "The pump of Boris weighs 14 kg [1].",  # another name
        "Whoever stands there likes music [1].",  # other words
        "The pump weighs fourteen kg, or fifty [1].",  # a number in words
        "The pump weighs no 14 kg [1].",  # the contrary
        "The pump weighs 14 kg [2].",  # no such passage
        'It says "the pump weighs nothing at all" and 14 kg [1].',  # no such quote
    ],
)
def test_a_mark_that_is_not_true_is_removed(sentence: str) -> None:
    assert verified(sentence)[0] == []
    assert len(verified(sentence)[1]) == 1


def test_white_space_counts_alike_and_the_quote_is_the_blocks_own() -> None:
    found = look_up(PASSAGE, "It was built in Graz by Ada Brandt.", BLOCKS)

    assert found is not None
    assert found.quote == "It was  built in Graz\nby Ada Brandt."


def test_a_quote_outside_of_its_chunk_or_of_a_changed_block_is_none() -> None:
    short = Passage(1, "doc", "Pumps", 7, 3, 0, 3, 22, TEXT[:22])

    assert look_up(short, "Nobody was hurt.", BLOCKS) is None
    assert look_up(PASSAGE, "Nobody was hurt.", {}) is None
    assert look_up(PASSAGE, " ", BLOCKS) is None


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        ("It is so [1]. It is not.", ["It is so [1].", "It is not."]),
        ("It is so. [1][2] It is not. [3]", ["It is so [1][2].", "It is not [3]."]),
        ("", []),
    ],
)
def test_marks_belong_to_the_sentence_before_them(answer: str, sentences: list[str]) -> None:
    assert split_answer(answer) == sentences


def test_numbers_of_marks_come_once_in_order() -> None:
    assert marks_of("So [2, 1] it is [2] in [2023].") == [2, 1]


def test_an_answer_has_its_true_marks_before_the_full_stop() -> None:
    sentences = [
        verify_sentence(each, {1: PASSAGE}, BLOCKS)
        for each in split_answer("The pump weighs 14 kg. [1] It flies [1].")
    ]

    assert joined_answer(sentences) == "The pump weighs 14 kg [1]. It flies."


def test_a_text_without_marks_gets_a_quote_for_each_sentence_that_has_one() -> None:
    found = cite_text("Our pump weighs just 14 kg! Come and see it.", [PASSAGE], BLOCKS)

    assert [citation.quote for citation in found] == ["The pump weighs 14 kg."]
