"""Classification by labels: descriptions, examples, trained heads, and what is refused."""

from typing import Any

import numpy as np
import pytest

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.text_analysis import NO_WORDS
from deployments.text.classifier_options import packed, read_classifier_options, unpacked
from deployments.text.classifying import TextClassification, train_classifier
from deployments.text.extractive import word_vectors
from deployments.text.linear_head import train_linear_head
from deployments.text.operation import AnalyzedText
from deployments.text.probe import PROBE

OPERATION = TextClassification()
EXAMPLES = {
    "food": [
        f"fresh {dish} from our kitchen" for dish in ("soup", "bread", "pasta", "rice", "tea")
    ],
    "sport": [
        f"the team won the {game} match" for game in ("chess", "rugby", "golf", "polo", "ski")
    ],
}


def classify(text: str, options: dict[str, Any]) -> Any:
    analyzed = AnalyzedText(text, "en")
    strings = OPERATION.strings_to_embed(analyzed, options)
    return OPERATION.analyze(analyzed, options, word_vectors(strings) if strings else None)


def test_descriptions_are_compared_with_the_text() -> None:
    labels = [
        {"name": "menu", "description": "what the kitchen cooks"},
        {"name": "news", "description": "what the team has won"},
    ]

    result = classify("The team has won again!", {"labels": labels})

    assert result.value["label"] == "news"
    assert [each["label"] for each in result.value["scores"]] == ["news", "menu"]
    assert result.value["scores"][0]["score"] > result.value["scores"][1]["score"]
    assert "cosine" in result.reasons[0]
    assert 0.5 < result.confidence <= 1


def test_a_label_without_a_description_is_its_own() -> None:
    assert (
        classify("The kitchen is open", {"labels": ["kitchen", "team"]}).value["label"] == "kitchen"
    )


def test_five_examples_a_label_train_a_head() -> None:
    result = classify("hot soup from the kitchen", {"examples": EXAMPLES})

    assert result.value["label"] == "food"
    assert sum(each["score"] for each in result.value["scores"]) == pytest.approx(1, abs=1e-3)


def test_a_trained_head_judges_without_the_examples_and_is_named() -> None:
    low, high, probe = np.eye(3, 8, dtype=np.float32)
    head = train_classifier(("low", "high"), [0, 1] * 5, np.stack([low, high] * 5))
    options = {"head": packed(head, probe), "by": "mine@3"}
    analyzed = AnalyzedText("a word", "en")

    assert OPERATION.strings_to_embed(analyzed, options) == ["a word", PROBE]
    result = OPERATION.analyze(analyzed, options, np.stack([high, probe]))

    assert (result.by, result.value["label"]) == ("mine@3", "high")


@pytest.mark.parametrize("dimensions", [8, 9])
def test_vectors_of_another_embedding_model_are_not_judged(dimensions: int) -> None:
    rows = np.eye(8, dtype=np.float32)
    head = train_classifier(("a", "b"), [0, 1], rows[:2])
    others = np.eye(2, dimensions, dtype=np.float32)

    options = {"head": packed(head, rows[2]), "by": "mine@1"}
    result = OPERATION.analyze(AnalyzedText("word", "en"), options, others)

    assert not result.supported
    assert "another embedding model" in result.reasons[0]


def test_a_head_is_packed_and_unpacked_unchanged() -> None:
    head = train_classifier(("ä", "日本"), [0, 1], np.eye(2, 3, dtype=np.float32))
    probe = np.array([0.25, 0.5, 1], dtype=np.float32)

    again, found = unpacked(packed(head, probe))

    assert again.labels == head.labels
    assert np.array_equal(again.weights, head.weights)
    assert np.array_equal(found, probe)


def test_a_text_without_words_has_no_class() -> None:
    assert classify("😀", {"labels": ["a", "b"]}).reasons == (NO_WORDS,)


MANY = ["x"] * 101
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "needs labels"),
    ({"labels": "food"}, "list of labels"),
    ({"labels": ["food"]}, "2 to 32 labels"),
    ({"labels": [f"label {at}" for at in range(33)]}, "2 to 32 labels"),
    ({"labels": ["food", "food"]}, "must differ"),
    ({"labels": ["food", " "]}, "not blank"),
    ({"labels": ["food", "a\0b"]}, "NUL"),
    ({"labels": ["food", "\ud800"]}, "surrogate"),
    ({"labels": ["food", 3]}, "not blank"),
    ({"labels": ["food", {"name": "x", "weight": 1}]}, "name and a description"),
    ({"labels": ["food", {"name": "x", "description": "y" * 301}]}, "300"),
    ({"examples": ["food"]}, "an object"),
    ({"examples": {"food": ["a"] * 5}}, "2 to 32 labels"),
    ({"examples": {"food": list("abcd"), "sport": list("abcde")}}, "5 to 100 examples"),
    ({"examples": {"food": MANY, "sport": list("abcde")}}, "5 to 100 examples"),
    ({"examples": {"food": ["a"] * 5, "sport": list("abcde")}}, "5 different"),
    ({"examples": {"food": "abcde", "sport": list("abcde")}}, "list of texts"),
    ({"labels": ["a", "b"], "threshold": 1}, "is not an option"),
]


@pytest.mark.parametrize(("options", "why"), WRONG)
def test_wrong_options_are_refused_by_their_field(options: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as refused:
        read_classifier_options(options)

    assert str(refused.value.param).startswith("options.classification")


def test_training_is_deterministic_and_separates_what_can_be_separated() -> None:
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(4, 16))
    targets = np.repeat(np.arange(4), 10)
    rows = (centres[targets] + 0.3 * rng.normal(size=(40, 16))).astype(np.float32)

    first = train_linear_head(rows, targets.tolist(), "abcd")
    again = train_linear_head(rows, targets.tolist(), "abcd")

    assert np.array_equal(first.weights, again.weights)
    assert (first.probabilities(rows).argmax(axis=1) == targets).all()
