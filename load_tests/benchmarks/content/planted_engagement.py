"""Whether the regression on outcomes finds a planted preference, and none where there is none.

In: posts and seeds. Out: rank correlations. The outcomes are made: a random linear preference over
the features, with noise so strong that a perfect model would reach about 0.8.
"""

from time import process_time

import numpy as np
from numpy.typing import NDArray

from deployments.content.engagement import fit_engagement, spearman
from deployments.content.features import FEATURES, Features, features
from deployments.content.prior_scores import prior_scores
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.content.drafts import make_drafts

PART = "engagement"
_NOISE = 0.75  # of a preference whose standard deviation is 1
_PREFERRED = 0.4  # share of the features that count
_SHUFFLES = 10

Values = NDArray[np.float64]


def measure_engagement(posts: int, seeds: int) -> list[Measurement]:
    """Learns from `posts` posts, and ranks twice as many others."""
    rows, prior = _posts(3 * posts)
    learned, seen = slice(0, posts), slice(posts, None)
    found, times, shuffled, claimed = [], [], [], 0
    for seed in range(seeds):
        chance = np.random.default_rng(seed)
        truth = _preference(rows, chance)
        rates = truth + _NOISE * chance.normal(size=len(truth))
        since = process_time()
        model = fit_engagement(rows[learned], prior[learned], rates[learned])
        times.append(process_time() - since)
        found.append(spearman(model.scores(rows[seen], prior[seen]), rates[seen]))
        for _ in range(_SHUFFLES):
            mixed = chance.permutation(rates)
            model = fit_engagement(rows[learned], prior[learned], mixed[learned])
            claimed += model.basis != "prior"
            shuffled.append(spearman(model.scores(rows[seen], prior[seen]), mixed[seen]))
    return [
        Measurement(PART, f"least Spearman after {posts} posts", min(found), at_least=0.7),
        Measurement(PART, "median Spearman", float(np.median(found))),
        Measurement(PART, "most Spearman of shuffled outcomes", max(shuffled), at_most=0.1),
        Measurement(PART, f"of {len(shuffled)} shuffled fits, claimed", claimed, at_most=0),
        Measurement(PART, "CPU of a fit", 1e3 * float(np.median(times)), "ms"),
    ]


def _posts(count: int) -> tuple[Features, Values]:
    drafts = make_drafts(count, seed=5)
    rows = np.stack([features(draft.text, draft.platform) for draft in drafts])
    prior = [
        float(prior_scores(row[None, :], draft.platform)[0])
        for row, draft in zip(rows, drafts, strict=True)
    ]
    return rows, np.array(prior)


def _preference(rows: Features, chance: np.random.Generator) -> Values:
    spread = rows.std(axis=0)
    scaled = (rows - rows.mean(axis=0)) / np.where(spread < 1e-9, 1.0, spread)
    weights = chance.normal(size=len(FEATURES)) * (chance.random(len(FEATURES)) < _PREFERRED)
    truth = scaled @ weights
    return np.asarray(truth / max(float(truth.std()), 1e-9), dtype=np.float64)
