"""How good an answer is at every age."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.cache.policy import Freshness
from deployments.contracts.cache import Entry
from tests.unit.cache.cache_entries import LIVES, entry

FRESHNESS = Freshness(60, 600, 3600)
MADE = entry().created


class Drawn(Random):
    """Draws the same number every time."""

    def __init__(self, number: float) -> None:
        super().__init__(0)
        self.number = number

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.number

    def expovariate(self, lambd: float = 1.0) -> float:
        return self.number / lambd


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (0, "fresh"),
        (59.9, "fresh"),
        (60, "stale"),
        (599.9, "stale"),
        (600, "error-only"),
        (3599.9, "error-only"),
        (3600, "dead"),
        (10**9, "dead"),
        (-3600, "fresh"),
    ],
)
def test_an_answer_ages_from_fresh_to_dead(age: float, state: str) -> None:
    assert FRESHNESS.state(entry(took_s=0.001), MADE + age, Drawn(0.0)) == state


@given(st.floats(0, 1))
def test_one_factor_of_at_most_a_tenth_stretches_all_three_lives(number: float) -> None:
    lives = FRESHNESS.ttls(Drawn(number))

    assert 54 - 1e-9 <= lives.soft <= 66 + 1e-9
    assert lives.hard / lives.soft == pytest.approx(10)
    assert lives.error / lives.soft == pytest.approx(60)


def test_answers_made_together_do_not_end_together() -> None:
    rng = Random(1)
    ends = sorted(FRESHNESS.ttls(rng).soft for _ in range(1000))

    assert ends[100] < 56
    assert ends[900] > 64


def refreshes(answer: Entry, age: float, freshness: Freshness = FRESHNESS) -> float:
    """The share of callers who are told to refresh at that age."""
    rng = Random(1)
    states = [freshness.state(answer, MADE + age, rng) for _ in range(10_000)]
    return states.count("early") / len(states)


def test_early_refresh_is_as_likely_as_xfetch_says() -> None:
    # P(early) = exp(-left / took)
    assert refreshes(entry(took_s=2.0), 58) == pytest.approx(0.368, abs=0.02)
    assert refreshes(entry(took_s=2.0), 56) == pytest.approx(0.135, abs=0.02)
    assert refreshes(entry(took_s=2.0), 40) < 0.001


def test_what_takes_longer_is_refreshed_earlier() -> None:
    assert refreshes(entry(took_s=8.0), 50) > 5 * refreshes(entry(took_s=3.0), 50) > 0


def test_no_answer_is_refreshed_in_the_first_half_of_its_freshness() -> None:
    assert refreshes(entry(took_s=1000.0), 29.9) == 0
    assert refreshes(entry(took_s=1000.0), 30.1) > 0.9


def test_early_refresh_can_be_off() -> None:
    assert refreshes(entry(took_s=10.0), 59.99, Freshness(60, 600, 3600, eager=0)) == 0


def test_without_jitter_lives_are_as_configured() -> None:
    assert Freshness(60, 600, 3600, jitter=0).ttls(Random(1)) == LIVES


@pytest.mark.parametrize(
    ("lives", "fields"),
    [
        ((0, 1, 2), {}),
        ((3, 2, 4), {}),
        ((1, 3, 2), {}),
        ((1, 2, float("inf")), {}),
        ((float("nan"), 2, 3), {}),
        ((1, 2, 3), {"jitter": 1.0}),
        ((1, 2, 3), {"jitter": -0.1}),
        ((1, 2, 3), {"eager": -1.0}),
    ],
)
def test_lives_that_make_no_sense_are_refused(
    lives: tuple[float, float, float], fields: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match="0"):
        Freshness(*lives, **fields)
