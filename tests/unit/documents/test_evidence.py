"""Evidence: which sentences may answer a question at all."""

import numpy as np
import pytest

from deployments.documents.evidence import (
    MAX_SENTENCES,
    JudgedSource,
    Question,
    find_candidates,
    judge,
    judge_by_words,
    sentences_of,
    shared_words,
    strings_to_embed,
)


@pytest.mark.parametrize(
    ("text", "names", "wants"),
    [
        ("How heavy is the Falcon X200?", ("falcon", "x200"), "number"),
        ("Who founded Acme?", ("acme",), "name"),
        ("what does the pump cost", (), ""),
        ("What Is The Weight Of The Pump", (), ""),  # a title, not names
    ],
)
def test_a_question_has_names_and_wants_something(
    text: str, names: tuple[str, ...], wants: str
) -> None:
    question = Question.of(text)

    assert (question.names, question.wants) == (names, wants)


def test_a_passage_without_a_name_of_the_question_is_about_something_else() -> None:
    question = Question.of("How heavy is the Falcon X200?")
    sources = [
        JudgedSource("The Falcon X100 weighs 3 kg."),
        JudgedSource("It weighs 4 kg.", "Falcon X200"),
    ]

    assert [each.text for each in find_candidates(question, sources)] == ["It weighs 4 kg."]


def test_sentences_are_bounded_those_with_the_question_s_words_first() -> None:
    text = " ".join(f"Sentence {number} is here." for number in range(100)) + " The pump is blue."
    found = find_candidates(Question.of("Is the pump blue?"), [JudgedSource(text)])

    assert len(found) == MAX_SENTENCES
    assert found[0].text == "The pump is blue."


def test_a_sentence_goes_on_in_the_next_line_of_a_paragraph_but_not_of_a_table() -> None:
    wrapped = (
        "The pump that was shown at the fair in spring comes with a warranty\nof five years. So."
    )
    table = "a cell with many words that make it rather long\t1\nanother cell\t2"

    assert [wrapped[start:end] for start, end in sentences_of(wrapped)] == [wrapped[:-4], "So."]
    assert len(sentences_of(table)) == 2


def test_the_closest_sentence_that_has_what_is_wanted_is_best() -> None:
    question = Question.of("How heavy is the Falcon X200?")
    source = JudgedSource("The Falcon X200 weighs 14 kg. The Falcon X200 is rather heavy.")
    candidates = find_candidates(question, [source])
    strings = strings_to_embed(question, candidates)
    vectors = np.ones((len(strings), 1), dtype=np.float32)

    judged = judge(question, candidates, vectors)
    assert len(strings) == 2 * (1 + len(candidates))
    assert judged[0].candidate.text == "The Falcon X200 weighs 14 kg."
    assert 0.0 <= judged[1].evidence < judged[0].evidence <= 1.0


def test_without_vectors_words_judge() -> None:
    question = Question.of("How heavy is the Falcon X200?")
    candidates = find_candidates(question, [JudgedSource("The Falcon X200 is heavy: 14 kg.")])

    assert judge_by_words(question, candidates)[0].evidence == 1.0


@pytest.mark.parametrize(
    ("wanted", "text", "share"),
    [
        ("the founder", "She founded it.", 1.0),
        ("weighs", "its weight", 1.0),
        ("X200", "X201", 0.0),
        ("no", "yes", 0.0),
    ],
)
def test_forms_of_a_word_count_as_the_word_but_numbers_have_no_forms(
    wanted: str, text: str, share: float
) -> None:
    assert shared_words(wanted, text) == share
