"""Scores a span, by signal and in total: signals and a span in, numbers 0 to 1 out.

Each score is the mean deviation over the span, above that of its surroundings, saturated. They
combine as independent reasons (noisy or): each adds, none alone decides.
"""

from collections.abc import Mapping

import numpy as np

from deployments.video.ranking.calibration import Curve, saturate
from deployments.video.ranking.candidates import CONTEXT_S, mean_between
from deployments.video.ranking.grid import STEP_S
from deployments.video.ranking.sentences import Sentence
from deployments.video.ranking.signals import WEIGHTS, Signals

MAX_CERTAINTY = 0.5  # that a signal of weight 1 contributes
OPENING_S = 3.0
OPENING_WEIGHT = 0.03
PAUSE_WEIGHT = 0.02
LONG_PAUSE_S = 1.0


def sub_scores(
    signals: Signals, sentences: tuple[Sentence, ...], start: float, end: float
) -> dict[str, float]:
    """By signal, with `opening` (the first sentence's hook) and `pause` (the silence before)."""
    scores = {
        name: float(saturate(_rise(curve, start, end))) for name, curve in signals.curves.items()
    }
    if sentences:
        scores["opening"] = max(
            (s.hook.strength for s in sentences if start <= s.start <= start + OPENING_S),
            default=0.0,
        )
        scores["pause"] = _pause(sentences, start)
    return {name: round(value, 4) for name, value in scores.items()}


def total(scores: Mapping[str, float]) -> float:
    doubt = 1.0
    for name, weight in WEIGHTS.items():
        doubt *= 1.0 - min(1.0, MAX_CERTAINTY * weight) * scores.get(name, 0.0)
    doubt *= 1.0 - OPENING_WEIGHT * scores.get("opening", 0.0)
    doubt *= 1.0 - PAUSE_WEIGHT * scores.get("pause", 0.0)
    return round(1.0 - doubt, 4)


def _rise(curve: Curve, start: float, end: float) -> Curve:
    """How far the span's mean is above that of the seconds around it, in deviations."""
    last = curve.size * STEP_S
    inside, left, right = mean_between(
        curve,
        np.array([start, max(0.0, start - CONTEXT_S), end]),
        np.array([end, start, min(last, end + CONTEXT_S)]),
    )
    return np.maximum(inside - (left + right) / 2, 0.0)


def _pause(sentences: tuple[Sentence, ...], start: float) -> float:
    """The pause before the first word of the span, relative to a long pause."""
    starts_after = [s.start for s in sentences if s.start >= start]
    ends_before = [s.end for s in sentences if s.start < start]
    if not starts_after or not ends_before:
        return 0.0
    return min(1.0, max(0.0, min(starts_after) - max(ends_before)) / LONG_PAUSE_S)
