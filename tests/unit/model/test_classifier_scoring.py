"""From the logits of a classifier to the scores of labels that callers know."""

import numpy as np
import pytest

from deployments.model.classification.scoring import category_scoring, relevance_scoring
from deployments.model.encoders.facts import EncoderFacts


def facts(*labels: str, multi_label: bool = False) -> EncoderFacts:
    return EncoderFacts(
        16, len(labels), ("input_ids", "attention_mask"), labels=labels, multi_label=multi_label
    )


def scores(scoring: object, *logits: float) -> list[float]:
    rows = np.array([logits], dtype=np.float32)
    return [round(float(each), 4) for each in scoring.scores(rows)[0]]  # type: ignore[attr-defined]


def test_one_logit_is_a_probability() -> None:
    scoring = relevance_scoring(facts("LABEL_0"), "m")

    assert scoring.labels == ("relevance",)
    assert scores(scoring, 0.0) == [0.5]
    assert scores(scoring, 1e9) == [1.0]


def test_a_model_with_several_outputs_does_not_rank() -> None:
    with pytest.raises(RuntimeError, match="2 outputs"):
        relevance_scoring(facts("no", "yes"), "m")


def test_labels_that_exclude_each_other_share_one() -> None:
    scoring = category_scoring(facts("ok", "hate"), {}, "m")

    assert scoring.labels == ("hate",)
    assert scores(scoring, 0.0, 0.0) == [0.5]


def test_labels_that_may_be_true_together_do_not() -> None:
    scoring = category_scoring(facts("hate", "violence", multi_label=True), {}, "m")

    assert scores(scoring, 60.0, 60.0) == [1.0, 1.0]


def test_labels_of_one_category_give_it_the_highest_score() -> None:
    categories = {"insult": "harassment", "threat": "harassment"}
    scoring = category_scoring(facts("insult", "threat", multi_label=True), categories, "m")

    assert scoring.labels == ("harassment",)
    assert scores(scoring, -60.0, 0.0) == [0.5]


def test_a_label_that_the_model_does_not_have_is_named() -> None:
    with pytest.raises(RuntimeError, match="categories name insulting; .* are insult"):
        category_scoring(facts("insult"), {"insulting": "harassment"}, "m")


def test_a_model_without_a_category_is_refused() -> None:
    with pytest.raises(RuntimeError, match="map them in `categories`"):
        category_scoring(facts("LABEL_0", "LABEL_1"), {}, "m")
