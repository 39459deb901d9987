"""The regression on outcomes: it finds what is there, and claims nothing where nothing is."""

import numpy as np
import pytest

from deployments.content.engagement import (
    MIN_OUTCOMES,
    engagement_rates,
    fit_engagement,
    spearman,
)
from deployments.content.features import COLUMN, FEATURES, Features

CHANCE = np.random.default_rng(4)
ROWS: Features = CHANCE.random((900, len(FEATURES))).astype(np.float32)
PRIOR = CHANCE.random(900)
TRUTH = 2.0 * ROWS[:, COLUMN["questions"]] - 1.0 * ROWS[:, COLUMN["links"]]
RATES = np.asarray(TRUTH + 0.4 * CHANCE.normal(size=900), dtype=np.float64)


def test_a_planted_preference_is_found() -> None:
    model = fit_engagement(ROWS[:500], PRIOR[:500], RATES[:500])

    assert (model.basis, model.outcomes) == ("outcomes", 500)
    assert model.spearman is not None
    assert model.spearman > 0.7
    assert spearman(model.scores(ROWS[500:], PRIOR[500:]), RATES[500:]) > 0.7
    assert set(model.strongest(2)) == {"questions", "links"}
    scores = model.scores(ROWS, PRIOR)
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_outcomes_leave_the_prior(seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(RATES[:500])

    model = fit_engagement(ROWS[:500], PRIOR[:500], shuffled)

    assert (model.basis, model.spearman) == ("prior", None)
    assert model.scores(ROWS, PRIOR) is PRIOR


def test_few_or_equal_outcomes_leave_the_prior() -> None:
    few = slice(0, MIN_OUTCOMES - 1)

    assert fit_engagement(ROWS[few], PRIOR[few], RATES[few]).basis == "prior"
    assert fit_engagement(ROWS, PRIOR, np.zeros(len(ROWS))).basis == "prior"


def test_a_prior_that_is_right_stays() -> None:
    good = np.asarray(RATES - RATES.min(), dtype=np.float64)

    assert fit_engagement(ROWS, good, RATES).basis == "prior"


def test_ties_share_their_rank_and_constants_correlate_with_nothing() -> None:
    one = np.array([1.0, 1.0, 2.0, 3.0])

    assert spearman(one, np.array([5.0, 5.0, 7.0, 9.0])) == pytest.approx(1)
    assert spearman(one, np.ones(4)) == 0


def test_few_impressions_move_a_rate_little() -> None:
    lucky, proven = engagement_rates(np.array([1.0, 100.0]), np.array([1.0, 1_000.0]))

    assert lucky < proven
