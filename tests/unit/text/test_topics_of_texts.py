"""Topics: of one text by the shipped vectors, of several by grouping them."""

import numpy as np

from deployments.contracts.text_analysis import NO_WORDS
from deployments.text.extractive import word_vectors
from deployments.text.heads import load_head
from deployments.text.operation import AnalyzedText
from deployments.text.topics import TopicFinder, group_texts

FINDER = TopicFinder()
TEXTS = [
    "The espresso machine is broken again",
    "A new espresso machine for the cafe",
    "Marathon training starts at the river",
    "Our marathon training group is growing",
    "The river marathon was a success",
    "Quarterly figures are out",
]


def test_a_text_gets_the_closest_topics_best_first() -> None:
    head = load_head("topics")
    cooking = head.arrays["vectors"][head.labels.index("food and drink")]

    result = FINDER.analyze(
        AnalyzedText("Soup!"), {"count": 2}, np.stack([cooking, head.arrays["probe"]])
    )

    assert result.value[0] == {"topic": "food and drink", "score": 1.0}
    assert len(result.value) == 2
    assert result.by == "topics@1"


def test_a_text_that_is_close_to_none_has_none() -> None:
    probe = load_head("topics").arrays["probe"]

    result = FINDER.analyze(AnalyzedText("Something"), {}, np.stack([0 * probe, probe]))

    assert (result.value, len(result.reasons)) == ([], 1)


def test_vectors_of_another_embedding_model_are_not_judged() -> None:
    others = np.eye(2, 768, dtype=np.float32)

    result = FINDER.analyze(AnalyzedText("Something"), {}, others)

    assert not result.supported
    assert "all-MiniLM-L6-v2" in result.reasons[0]


def test_a_text_without_words_has_no_topic() -> None:
    assert FINDER.analyze(AnalyzedText("🎉"), {}, None).reasons == (NO_WORDS,)


def test_texts_about_the_same_form_a_group_that_is_named_by_its_own_words() -> None:
    groups = group_texts(TEXTS, word_vectors(TEXTS), alike=0.1)

    assert [group.members for group in groups] == [(2, 3, 4), (0, 1), (5,)]
    assert "marathon" in " ".join(groups[0].words)
    assert "espresso" in " ".join(groups[1].words)
    assert groups[2].cohesion == 1.0
    assert all(-0.01 <= group.cohesion <= 1 for group in groups)


def test_no_texts_and_one_text() -> None:
    assert group_texts([], np.zeros((0, 4), dtype=np.float32)) == []
    assert group_texts(["tea"], np.ones((1, 4), dtype=np.float32) / 2)[0].members == (0,)
