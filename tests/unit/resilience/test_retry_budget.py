"""Retries stay a share of the calls, whatever the calls do."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.resilience.retry_budget import FLOOR, WINDOW_S, RetryBudget


def test_a_few_retries_are_free() -> None:
    budget = RetryBudget(0.1)
    assert [budget.take(0.0) for _ in range(FLOOR + 1)] == [True] * FLOOR + [False]


def test_a_share_of_zero_never_retries() -> None:
    budget = RetryBudget(0.0)
    for _ in range(1000):
        budget.record_call(0.0)
    assert not budget.take(0.0)


def test_what_is_spent_comes_back_with_time() -> None:
    budget = RetryBudget(0.1)
    while budget.take(0.0):
        pass
    assert not budget.take(WINDOW_S / 2)
    assert budget.take(WINDOW_S)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=300), st.floats(0.01, 1))
def test_in_no_window_are_there_more_retries_than_the_share_and_the_floor(
    steps: list[tuple[bool, float]], share: float
) -> None:
    budget, now = RetryBudget(share), 0.0
    calls: list[float] = []
    retries: list[float] = []
    for is_call, pause in steps:
        now += pause
        if is_call:
            budget.record_call(now)
            calls.append(now)
        elif budget.take(now):
            retries.append(now)
    for start in retries:
        within = [at for at in retries if start <= at < start + 0.9 * WINDOW_S]
        paid_for = [at for at in calls if start - WINDOW_S <= at < start + 0.9 * WINDOW_S]
        assert len(within) <= share * len(paid_for) + FLOOR
