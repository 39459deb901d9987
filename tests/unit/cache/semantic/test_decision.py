"""The bound holds whatever the curves are like, and is not bought by never serving."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.cache.semantic.error_bound import (
    SimilarityCalibration,
    SimilarityCalibrations,
    ThresholdEstimator,
    upper_bound,
)


def logistic(similarity: float, threshold: float, slope: float) -> float:
    return 1.0 / (1.0 + math.exp(-slope * (similarity - threshold)))


def simulate(
    bound: float, rounds: int, right: "list[tuple[float, float]]", floor: float, random: Random
) -> tuple[int, int]:
    """(hits, errors) of entries whose true curves are `right`: (threshold, slope) pairs.

    Whatever `right` says, an answer is wrong with probability `floor` at least.
    """
    curves, evidence = SimilarityCalibrations(), ThresholdEstimator(bound)
    entries = [SimilarityCalibration() for _ in right]
    hits = errors = 0
    for _ in range(rounds):
        at = random.randrange(len(entries))
        similarity = random.uniform(0.6, 1.0)
        same = random.random() < (1.0 - floor) * logistic(similarity, *right[at])
        wrong = curves.wrong(entries[at], similarity)
        served = wrong <= evidence.threshold
        hits += served
        errors += served and not same
        if not served or random.random() < 0.1:
            evidence.learn(wrong, same)
            curves.learn(entries[at], similarity, same)
    return hits, errors


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(1, 4))]


@pytest.mark.parametrize("bound", [pytest.param(0.02, marks=pytest.mark.exhaustive), 0.05])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_error_stays_within_the_bound_for_random_logistic_curves(
    bound: float, seed: int
) -> None:
    random = Random(seed)
    right = [(random.uniform(0.6, 1.05), random.uniform(15.0, 300.0)) for _ in range(60)]

    hits, errors = simulate(bound, 12_000, right, 0.0, random)

    assert hits >= 300
    assert errors / hits <= bound


@pytest.mark.parametrize("seed", SEEDS)
def test_curves_that_are_not_logistic_are_found_out(seed: int) -> None:
    """One answer in eight is wrong at any similarity: no curve of the grid is like that."""
    right = [(0.5, 300.0)] * 40

    hits, errors = simulate(0.02, 12_000, right, 0.125, Random(seed))

    assert hits <= 60
    assert errors <= 6


def test_nothing_is_served_without_evidence() -> None:
    assert ThresholdEstimator(0.01).threshold == 0.0


def test_evidence_takes_about_three_by_the_bound() -> None:
    evidence, outcomes = ThresholdEstimator(0.01), 0
    while evidence.threshold == 0.0:
        evidence.learn(0.0001, same=True)
        outcomes += 1

    assert 300 <= outcomes <= 450


def test_a_few_errors_in_a_row_withdraw_it() -> None:
    evidence = ThresholdEstimator(0.01)
    for _ in range(20_000):
        evidence.learn(0.0001, same=True)
    assert evidence.threshold == 0.01
    for _ in range(4):
        evidence.learn(0.0001, same=False)

    assert evidence.threshold == 0.0


def test_a_looser_cut_waits_for_the_stricter_one() -> None:
    evidence = ThresholdEstimator(0.01)
    for _ in range(2_000):
        evidence.learn(0.009, same=True)

    assert evidence.threshold == 0.0


@pytest.mark.parametrize("rate", [0.05, pytest.param(0.1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("seeds", [30, pytest.param(200, marks=pytest.mark.exhaustive)])
def test_a_rate_at_or_above_the_bound_seldom_passes_at_any_time(rate: float, seeds: int) -> None:
    passed = 0
    for seed in range(seeds):
        random, evidence = Random(seed), ThresholdEstimator(0.05)
        for _ in range(1_000):
            evidence.learn(0.0, same=random.random() >= rate)
            if evidence.threshold:
                passed += 1
                break

    assert passed <= seeds * 0.05 + 3 * math.sqrt(seeds * 0.05 * 0.95)


@pytest.mark.parametrize("bound", [0.0, 1.0, -0.1])
def test_a_bound_is_a_probability(bound: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        ThresholdEstimator(bound)


def test_a_request_learns_its_own_threshold() -> None:
    curves, easy, hard = SimilarityCalibrations(), SimilarityCalibration(), SimilarityCalibration()
    for _ in range(20):
        curves.learn(easy, 0.8, same=True)
        curves.learn(hard, 0.8, same=False)

    assert curves.wrong(easy, 0.82) < 0.05
    assert curves.wrong(hard, 0.82) > 0.5


def test_a_new_request_profits_from_what_the_others_taught() -> None:
    untaught, taught = SimilarityCalibrations(), SimilarityCalibrations()
    for _ in range(100):
        curve = SimilarityCalibration()
        taught.learn(curve, 0.75, same=True)
        taught.learn(curve, 0.65, same=False)

    assert (
        taught.wrong(SimilarityCalibration(), 0.85)
        < untaught.wrong(SimilarityCalibration(), 0.85) / 2
    )


@given(outcomes=st.lists(st.tuples(st.floats(0.55, 1.0), st.booleans()), max_size=40))
def test_being_wrong_is_never_likelier_at_a_higher_similarity(
    outcomes: list[tuple[float, bool]],
) -> None:
    curves, curve = SimilarityCalibrations(), SimilarityCalibration()
    for similarity, same in outcomes:
        curves.learn(curve, similarity, same)

    found = [curves.wrong(curve, similarity) for similarity in np.linspace(0.55, 1.0, 10)]
    assert all(0.0 < value < 1.0 for value in found)
    assert all(later <= sooner + 1e-9 for sooner, later in zip(found, found[1:], strict=False))


@pytest.mark.parametrize(
    ("errors", "checks", "expected"),
    [(0, 300, 0.00994), (0, 0, 1.0), (1, 473, 0.00999), (5, 100, 0.1023), (10, 10, 1.0)],
)
def test_upper_bounds_are_those_of_clopper_and_pearson(
    errors: int, checks: int, expected: float
) -> None:
    assert upper_bound(errors, checks) == pytest.approx(expected, abs=2e-4)
