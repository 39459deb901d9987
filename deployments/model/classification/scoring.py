"""Logits of a classifier to scores of the labels that callers know.

In: the labels of a model and the categories that they are mapped to. Out: probabilities.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.contracts.moderation import CATEGORIES
from deployments.model.encoders.facts import EncoderFacts

RELEVANCE = "relevance"


class Scoring:
    """`labels` are those of the scores, in their order.

    One logit, and several that may be true together, become probabilities by the logistic function;
    logits of labels that exclude each other by softmax.
    """

    def __init__(self, facts: EncoderFacts, labels: Sequence[str], places: Sequence[int]) -> None:
        """`places[i]` is the label of logit i, -1 for a logit that is left out."""
        self.labels = tuple(labels)
        self._places = list(places)
        self._independent = facts.multi_label or facts.outputs == 1

    def scores(self, logits: Vectors) -> Vectors:
        """Of several logits with one label, the highest counts."""
        wide = logits.astype(np.float64)
        if self._independent:
            probabilities = 1.0 / (1.0 + np.exp(-np.clip(wide, -60.0, 60.0)))
        else:
            exponents = np.exp(wide - wide.max(axis=1, keepdims=True))
            probabilities = exponents / exponents.sum(axis=1, keepdims=True)
        found = np.zeros((len(logits), len(self.labels)), dtype=np.float32)
        for at, place in enumerate(self._places):
            if place >= 0:
                found[:, place] = np.maximum(found[:, place], probabilities[:, at])
        return found


def relevance_scoring(facts: EncoderFacts, model: str) -> Scoring:
    """Of a cross-encoder. Raises RuntimeError unless it has one output."""
    if facts.outputs != 1:
        raise RuntimeError(
            f"rerank '{model}': the model has {facts.outputs} outputs; a cross-encoder that ranks "
            "has one"
        )
    return Scoring(facts, (RELEVANCE,), (0,))


def category_scoring(facts: EncoderFacts, categories: Mapping[str, str], model: str) -> Scoring:
    """Of a moderation model. Raises RuntimeError for a label that it does not have, and where no
    label means a category."""
    unknown = sorted(categories.keys() - set(facts.labels))
    if unknown:
        raise RuntimeError(
            f"moderation '{model}': categories name {', '.join(unknown)}; the model's labels are "
            f"{', '.join(facts.labels)}"
        )
    meanings = [categories.get(label) or _own_category(label) for label in facts.labels]
    labels = list(dict.fromkeys(filter(None, meanings)))
    if not labels:
        raise RuntimeError(
            f"moderation '{model}': none of the labels {', '.join(facts.labels)} is a category; "
            "map them in `categories`"
        )
    return Scoring(facts, labels, [labels.index(name) if name else -1 for name in meanings])


def _own_category(label: str) -> str | None:
    return label if label in CATEGORIES else None
