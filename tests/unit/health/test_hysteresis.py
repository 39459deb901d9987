"""When a state changes: after two outcomes in a row, from the first of them on."""

import pytest

from cluster.health.hysteresis import FLAPS, WINDOW, StateTracker
from cluster.health.state import DependencyState

UP, DEGRADED, DOWN = DependencyState.UP, DependencyState.DEGRADED, DependencyState.DOWN
OFF, UNKNOWN = DependencyState.OFF, DependencyState.UNKNOWN


def tracked(*outcomes: DependencyState) -> StateTracker:
    """After these outcomes, at times 0, 1, 2 ..."""
    tracker = StateTracker()
    for at, outcome in enumerate(outcomes):
        tracker.observe(outcome, float(at))
    return tracker


@pytest.mark.parametrize("first", [UP, OFF])
def test_a_first_outcome_without_a_fault_counts_at_once(first: DependencyState) -> None:
    tracker = tracked(first)

    assert (tracker.state, tracker.since) == (first, 0.0)


@pytest.mark.parametrize("first", [DEGRADED, DOWN])
def test_a_first_fault_is_to_be_confirmed(first: DependencyState) -> None:
    once, twice = tracked(first), tracked(first, first)

    assert (once.state, once.is_undecided) == (UNKNOWN, True)
    assert (twice.state, twice.since, twice.is_undecided) == (first, 0.0, False)


def test_before_the_first_outcome_nothing_is_known() -> None:
    assert (StateTracker().state, StateTracker().since) == (UNKNOWN, None)


@pytest.mark.parametrize(
    ("outcomes", "state", "since"),
    [
        pytest.param([UP, UP, DOWN], UP, 0, id="one failure"),
        pytest.param([UP, UP, DOWN, DOWN], DOWN, 2, id="two failures"),
        pytest.param([UP, DOWN, UP, DOWN], UP, 0, id="failures that are not in a row"),
        pytest.param([UP, DOWN, DEGRADED], DEGRADED, 1, id="the nearest of two that are worse"),
        pytest.param([DOWN, DOWN, UP], DOWN, 0, id="one success"),
        pytest.param([DOWN, DOWN, UP, UP], UP, 2, id="two successes"),
        pytest.param(
            [DOWN, DOWN, DEGRADED, UP], DEGRADED, 2, id="the nearest of two that are better"
        ),
        pytest.param(
            [DEGRADED, DEGRADED, DOWN, UP, DOWN], DEGRADED, 0, id="worse and better in turn"
        ),
        pytest.param([UP, OFF], OFF, 1, id="switched off"),
        pytest.param([OFF, UP], UP, 1, id="switched on"),
        pytest.param([OFF, DOWN, DOWN], DOWN, 1, id="switched on, and away"),
    ],
)
def test_a_state_counts_from_the_first_of_two_outcomes_that_confirm_it(
    outcomes: list[DependencyState], state: DependencyState, since: float
) -> None:
    tracker = tracked(*outcomes)

    assert (tracker.state, tracker.since) == (state, since)


def test_what_comes_and_goes_is_degraded_until_it_has_been_up_for_a_whole_window() -> None:
    tracker = tracked(*[UP, DOWN, UP] * FLAPS)
    assert (tracker.state, tracker.is_flapping) == (DEGRADED, True)

    seen = [(tracker.observe(UP, 100.0), tracker.state)[1] for _ in range(WINDOW)]

    assert seen[0] is DEGRADED
    assert (seen[-1], tracker.is_flapping) == (UP, False)


def test_after_an_outage_two_successes_are_enough() -> None:
    tracker = tracked(UP, *[DOWN] * WINDOW, UP, UP)

    assert (tracker.state, tracker.is_flapping) == (UP, False)


def test_only_a_change_is_reported() -> None:
    tracker = StateTracker()

    told = [tracker.observe(outcome, 0.0) for outcome in (UP, UP, DOWN, DOWN, DOWN, UP, UP)]

    assert told == [True, False, False, True, False, False, True]
