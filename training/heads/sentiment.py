"""The sentiment head: features of rated texts in, weights out.

Labels come from a multinomial logistic regression in which each kind of text, and within it each
label, counts the same; the score is a ridge regression of the ratings.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.embedding import Vectors
from deployments.text.linear_head import train_linear_head
from deployments.text.sentiment import LABELS
from training.heads.figures import classes_of

PENALTY, RIDGE = 5e-4, 1e-3
STEPS = 150
EVENNESS = 0.5  # 0: labels count as often as they are there; 1: all the same


def train_sentiment(
    features: Vectors, ratings: Vectors, kinds: Sequence[str]
) -> Mapping[str, Vectors]:
    """The arrays `weights` (labels x features + 1) and `rating` (features + 1); the last number of
    each row is its constant."""
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale[:-4] = 1  # the numbers of a vector stay in proportion to each other
    centre[:-4] = 0
    rows = (features - centre) / scale
    targets = classes_of(ratings)
    mass = _masses(targets, kinds)
    head = train_linear_head(
        rows, targets.tolist(), LABELS, penalty=PENALTY, steps=STEPS, mass=mass
    )
    rating = _ridge(rows, ratings, mass)
    return {
        "weights": np.stack([_unscaled(row, centre, scale) for row in head.weights]),
        "rating": _unscaled(rating, centre, scale),
    }


def _masses(targets: NDArray[np.int_], kinds: Sequence[str]) -> Vectors:
    mass = np.empty(len(targets), dtype=np.float32)
    names = np.array(kinds)
    for kind in dict.fromkeys(kinds):
        of_kind = names == kind
        sizes = np.maximum(1, np.bincount(targets[of_kind], minlength=len(LABELS)))
        share = (1 / sizes[targets[of_kind]]) ** EVENNESS
        mass[of_kind] = share / share.sum()
    return mass / mass.sum()


def _ridge(rows: Vectors, ratings: Vectors, mass: Vectors) -> Vectors:
    inputs = np.concatenate([rows, np.ones((len(rows), 1), dtype=np.float32)], axis=1)
    weighted = inputs * mass[:, None]
    penalty = np.full(inputs.shape[1], RIDGE)
    penalty[-1] = 0
    solved = np.linalg.solve(inputs.T @ weighted + np.diag(penalty), weighted.T @ ratings)
    return solved.astype(np.float32)


def _unscaled(row: Vectors, centre: Vectors, scale: Vectors) -> Vectors:
    """Factors for features as they come, from factors for scaled ones."""
    factors = row[:-1] / scale
    constant = row[-1] - float(factors @ centre)
    return np.append(factors, constant).astype(np.float32)
