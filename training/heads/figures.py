"""How well sentiment is judged: macro-F1 of three classes, and Pearson's r.

In: judgements and human ratings. Out: figures. A text is negative below -0.5, positive above 0.5
on the raters' scale from -4 to 4, else neutral; VADER's own thresholds are +-0.05 of its compound
score, as its authors state.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.embedding import Vectors
from deployments.text.heads import ShippedHead
from deployments.text.linear_head import LinearHead
from training.heads.held_out import HeldOutTexts

THRESHOLD = 0.5
VADER_THRESHOLD = 0.05


@dataclass(frozen=True, slots=True)
class SentimentFigures:
    """Of one kind of text: the head's, and VADER's beside it."""

    texts: int
    macro_f1: float
    vader_macro_f1: float
    pearson: float
    vader_pearson: float


def sentiment_figures(
    head: ShippedHead, kinds: Mapping[str, HeldOutTexts]
) -> dict[str, SentimentFigures]:
    return {kind: _figures(head, texts) for kind, texts in kinds.items()}


def classes_of(ratings: Vectors, threshold: float = THRESHOLD) -> NDArray[np.int_]:
    """0 negative, 1 neutral, 2 positive."""
    return (ratings >= -threshold).astype(int) + (ratings > threshold).astype(int)


def macro_f1(found: NDArray[np.int_], wanted: NDArray[np.int_]) -> float:
    """The mean over the three classes of the harmonic mean of precision and recall."""
    scores = []
    for label in range(3):
        both = int(((found == label) & (wanted == label)).sum())
        either = int((found == label).sum()) + int((wanted == label).sum())
        scores.append(2 * both / either if either else 0.0)
    return sum(scores) / len(scores)


def pearson(found: Vectors, wanted: Vectors) -> float:
    return float(np.corrcoef(found, wanted)[0, 1])


def _figures(head: ShippedHead, texts: HeldOutTexts) -> SentimentFigures:
    wanted = classes_of(texts.ratings)
    linear = LinearHead(head.labels, head.arrays["weights"])
    found = np.argmax(linear.probabilities(texts.features), axis=1)
    rating = texts.features @ head.arrays["rating"][:-1] + head.arrays["rating"][-1]
    return SentimentFigures(
        len(wanted),
        macro_f1(found, wanted),
        macro_f1(classes_of(texts.compound, VADER_THRESHOLD), wanted),
        pearson(rating, texts.ratings),
        pearson(texts.compound, texts.ratings),
    )
