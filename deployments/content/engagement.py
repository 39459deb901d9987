"""What a tenant's own outcomes say about its posts: a ridge regression on the features of
features.py, shrunk to the prior of prior_scores.py.

In: rows of features, prior scores and outcomes in the order of time. Out: scores from 0 to 1 to
rank texts by, and how far they can be trusted. The prior stays where there are too few outcomes, or
where the regression does no better on the latest fifth, which it has not seen.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.content.features import FEATURES, Features

MIN_OUTCOMES = 200
_HELD_OUT = 0.2  # the latest share, for the decision
_FOLDS = 5
_PENALTIES = (1.0, 10.0, 30.0, 100.0, 300.0, 1_000.0)
# Spearman's rho of the latest fifth, in its standard errors, from which it is no accident: by
# chance alone one of two thousand fits gets there.
_CERTAIN = 3.3

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EngagementModel:
    """`basis` is `outcomes` or `prior`. `spearman` is the rank correlation with the latest fifth of
    `outcomes` posts, None for the prior. `weights` are of the scaled features, last of the
    prior."""

    basis: str
    outcomes: int
    spearman: float | None
    center: Values
    scale: Values
    weights: Values

    def body(self) -> dict[str, Any]:
        """As JSON; `model_of` reads it."""
        return {
            "basis": self.basis,
            "outcomes": self.outcomes,
            "spearman": self.spearman,
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
            "weights": self.weights.tolist(),
        }

    def scores(self, rows: Features, prior: Values) -> Values:
        """One from 0 to 1 for each row; `prior` are the rows' prior scores."""
        if self.basis == "prior":
            return prior
        ranks = self._scaled(rows, prior) @ self.weights
        return np.array([0.5 * (1 + math.erf(rank / math.sqrt(2))) for rank in ranks])

    def strongest(self, count: int = 5) -> dict[str, float]:
        """The features that weigh most, with their weights."""
        named = dict(zip((*FEATURES, "prior"), self.weights.tolist(), strict=True))
        ordered = sorted(named, key=lambda name: -abs(named[name]))
        return {name: named[name] for name in ordered[:count]}

    def _scaled(self, rows: Features, prior: Values) -> Values:
        return (np.column_stack([rows, prior]) - self.center) / self.scale


def model_of(body: Mapping[str, Any]) -> EngagementModel:
    """The model of `EngagementModel.body()`."""
    arrays = (np.array(body[name], dtype=np.float64) for name in ("center", "scale", "weights"))
    return EngagementModel(body["basis"], body["outcomes"], body["spearman"], *arrays)


def engagement_rates(engagements: Values, impressions: Values) -> Values:
    """What the regression explains: the logarithm of the rate, with a mild prior for few
    impressions."""
    return np.asarray(np.log((engagements + 1) / (impressions + 20)))


def fit_engagement(rows: Features, prior: Values, rates: Values) -> EngagementModel:
    """`rows[i]` and `prior[i]` are of the i-th post by time, `rates[i]` its outcome."""
    fallback = _prior_model(len(rows))
    if len(rows) < MIN_OUTCOMES or np.std(rates) == 0:
        return fallback
    cut = len(rows) - round(_HELD_OUT * len(rows))
    penalty = _best_penalty(rows[:cut], prior[:cut], rates[:cut])
    trial = _fit(rows[:cut], prior[:cut], rates[:cut], penalty)
    rho = spearman(trial.scores(rows[cut:], prior[cut:]), rates[cut:])
    is_certain = rho * math.sqrt(len(rows) - cut - 1) >= _CERTAIN
    if not is_certain or rho <= spearman(prior[cut:], rates[cut:]):
        return fallback
    final = _fit(rows, prior, rates, penalty)
    return EngagementModel(
        "outcomes", len(rows), round(rho, 4), final.center, final.scale, final.weights
    )


def spearman(one: Values, other: Values) -> float:
    """Spearman's rank correlation; 0 where either is constant. Ties share their mean rank."""
    left, right = _ranks(one), _ranks(other)
    if np.std(left) == 0 or np.std(right) == 0:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])


def _prior_model(outcomes: int) -> EngagementModel:
    size = len(FEATURES) + 1
    return EngagementModel("prior", outcomes, None, np.zeros(size), np.ones(size), np.zeros(size))


def _fit(rows: Features, prior: Values, rates: Values, penalty: float) -> EngagementModel:
    """Ridge in closed form; all weights shrink to 0, but that of the prior to 1: with a large
    penalty the posts are ranked as the prior ranks them."""
    table = np.column_stack([rows, prior]).astype(np.float64)
    center, scale = table.mean(axis=0), table.std(axis=0)
    scale[scale < 1e-9] = 1.0
    scaled = (table - center) / scale
    wanted = (rates - rates.mean()) / max(float(rates.std()), 1e-9)
    anchor = np.zeros(table.shape[1])
    anchor[-1] = 1.0
    gram = scaled.T @ scaled + penalty * np.eye(len(anchor))
    weights = anchor + np.linalg.solve(gram, scaled.T @ (wanted - scaled @ anchor))
    return EngagementModel("outcomes", len(rows), None, center, scale, weights)


def _best_penalty(rows: Features, prior: Values, rates: Values) -> float:
    """By rank correlation over folds of neighbours in time."""
    folds = np.arange(len(rows)) * _FOLDS // len(rows)

    def quality(penalty: float) -> float:
        found = []
        for fold in range(_FOLDS):
            out = folds == fold
            model = _fit(rows[~out], prior[~out], rates[~out], penalty)
            found.append(spearman(model.scores(rows[out], prior[out]), rates[out]))
        return sum(found) / _FOLDS

    return max(_PENALTIES, key=quality)


def _ranks(values: Values) -> Values:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[places], dtype=np.float64)
