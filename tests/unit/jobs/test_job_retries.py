"""What failures mean: which are final, and how long to wait after the others."""

from random import Random

import pytest

from cluster.runtime.problems import (
    Conflict,
    Forbidden,
    InvalidRequest,
    Malformed,
    ModelFailed,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    Problem,
    RateLimited,
    RequestTimeout,
)
from deployments.jobs.retries import RetryPolicy, is_final, stored_problem

FINAL = (
    InvalidRequest("x"),
    Forbidden("x"),
    NotFound("x"),
    PayloadTooLarge(1),
    Malformed.at("/a", "x", "y"),
)
PASSING = (
    Problem("x"),
    RequestTimeout("x"),
    Conflict("x"),
    RateLimited("x", 1.0, "requests"),
    Overloaded("x"),
    ModelFailed("nano"),
)


@pytest.mark.parametrize("problem", FINAL, ids=lambda problem: problem.slug)
def test_what_is_wrong_with_the_request_stays_wrong(problem: Problem) -> None:
    assert is_final(problem)


@pytest.mark.parametrize("problem", PASSING, ids=lambda problem: problem.slug)
def test_what_may_pass_by_itself_is_tried_again(problem: Problem) -> None:
    assert not is_final(problem)


def test_pauses_double_up_to_the_longest_and_are_spread() -> None:
    policy, random, problem = RetryPolicy(longest_s=60.0), Random(1), Problem("x")

    for attempts, least in ((1, 2.0), (2, 4.0), (5, 32.0), (6, 60.0), (1_000, 60.0)):
        pauses = {policy.pause(attempts, problem, random) for _ in range(50)}
        assert len(pauses) == 50
        assert least <= min(pauses)
        assert max(pauses) <= least * 1.25


def test_a_retry_never_comes_before_the_problem_s_own_time() -> None:
    assert RetryPolicy().pause(1, Overloaded("x", retry_after_s=90.0), Random(1)) >= 90.0


def test_what_is_kept_of_a_problem_is_what_a_caller_may_see() -> None:
    problem = InvalidRequest("Too long.", param="duration", limit=3, secret="x")

    assert stored_problem(problem, retryable=False) == {
        "slug": "invalid-request",
        "title": "Invalid request",
        "status": 400,
        "detail": "Too long.",
        "retryable": False,
    }
