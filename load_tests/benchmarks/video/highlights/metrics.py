"""How good ranked stretches are against true ones. In: stretches, scores. Out: numbers.

Average precision is that of detection: best first, each true stretch is found once, at a threshold
of intersection over union; precision is made falling (the envelope), and its area taken, as the
evaluation of QVHighlights does.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

Span = tuple[float, float]
THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


def iou(one: Span, other: Span) -> float:
    common = min(one[1], other[1]) - max(one[0], other[0])
    if common <= 0:
        return 0.0
    return common / ((one[1] - one[0]) + (other[1] - other[0]) - common)


def match_spans(
    predicted: Sequence[Span], true: Sequence[Span], threshold: float
) -> list[int | None]:
    """For each of `predicted`, best first, the true one that it finds and none before it has."""
    left = set(range(len(true)))
    matched: list[int | None] = []
    for span in predicted:
        best = max(left, key=lambda at: iou(span, true[at]), default=None)
        if best is not None and iou(span, true[best]) >= threshold:
            left.discard(best)
            matched.append(best)
        else:
            matched.append(None)
    return matched


def average_precision(predicted: Sequence[Span], true: Sequence[Span], threshold: float) -> float:
    hits = np.array(
        [one is not None for one in match_spans(predicted, true, threshold)], dtype=float
    )
    if not true or hits.size == 0:
        return 0.0
    precision = np.cumsum(hits) / np.arange(1, hits.size + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((envelope * hits).sum() / len(true))


def mean_average_precision(predicted: Sequence[Span], true: Sequence[Span]) -> float:
    """Over IoU .5 to .95."""
    return float(np.mean([average_precision(predicted, true, each) for each in THRESHOLDS]))


def recall(predicted: Sequence[Span], true: Sequence[Span], threshold: float = 0.5) -> float:
    held = sum(one is not None for one in match_spans(predicted[: len(true)], true, threshold))
    return held / len(true) if true else 0.0


def hit_at_1(predicted: Sequence[Span], true: Sequence[Span], threshold: float = 0.5) -> float:
    return float(bool(predicted) and any(iou(predicted[0], one) >= threshold for one in true))


def kendall_tau(ones: Sequence[float], others: Sequence[float]) -> float | None:
    """Tau-b, which allows for ties; None where it is not defined."""
    pairs = list(combinations(zip(ones, others, strict=True), 2))
    signs = [(np.sign(a[0] - b[0]), np.sign(a[1] - b[1])) for a, b in pairs]
    agreed = sum(one * other for one, other in signs)
    untied = sum(one != 0 for one, _ in signs) * sum(other != 0 for _, other in signs)
    return float(agreed / np.sqrt(untied)) if untied else None


def f1(predicted: float, true: float, right_predicted: float, right_true: float) -> float:
    """From what there is and what of it is right, on either side; 1 where there is nothing."""
    if predicted == 0 and true == 0:
        return 1.0
    precision = right_predicted / predicted if predicted else 0.0
    recalled = right_true / true if true else 0.0
    return 2 * precision * recalled / (precision + recalled) if precision + recalled else 0.0
