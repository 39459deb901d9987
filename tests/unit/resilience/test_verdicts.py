"""What each failure says of a model."""

import pickle

import pytest

from cluster.resilience.failure_class import (
    AllUpstreamsBusy,
    FailureClass,
    ReplicaLost,
    Unavailable,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamRefused,
    classify,
    is_unavailable,
)
from cluster.runtime.problems import (
    ClientGone,
    DeadlineExceeded,
    Draining,
    InvalidRequest,
    ModelFailed,
    Overloaded,
    Problem,
    RateLimited,
)

SLOW_S = 30.0


@pytest.mark.parametrize(
    ("problem", "verdict"),
    [
        (ReplicaLost("m"), FailureClass.LOST),
        (Draining("It ends."), FailureClass.LOST),
        (Unavailable("There is none."), FailureClass.LOST),
        (UpstreamFailed("m"), FailureClass.LOST),
        (UpstreamRefused("m"), FailureClass.LOST),
        (Overloaded("It is busy."), FailureClass.BUSY),
        (UpstreamBusy("It grants no more."), FailureClass.BUSY),
        (ModelFailed("m"), FailureClass.FAILED),
        (Problem("A bug."), FailureClass.FAILED),
        (InvalidRequest("It is wrong."), FailureClass.NONE),
        (RateLimited("Slow down.", 1.0, "fair-share"), FailureClass.NONE),
        (ClientGone("It left."), FailureClass.NONE),
    ],
)
def test_what_a_problem_says(problem: Problem, verdict: FailureClass) -> None:
    assert classify(problem, 0.1, SLOW_S) is verdict


def test_a_short_deadline_says_more_of_the_caller_than_of_the_model() -> None:
    assert classify(DeadlineExceeded("model"), SLOW_S - 1, SLOW_S) is FailureClass.NONE
    assert classify(DeadlineExceeded("model"), SLOW_S, SLOW_S) is FailureClass.FAILED


def test_only_a_model_that_cannot_be_asked_is_unavailable() -> None:
    assert all(map(is_unavailable, (ReplicaLost("m"), Unavailable("None."), Draining("It ends."))))
    provider = (UpstreamFailed("m"), UpstreamRefused("m"), UpstreamBusy("No more."))
    assert all(map(is_unavailable, (*provider, AllUpstreamsBusy("No more."))))
    busy, wrong = Overloaded("It is busy."), InvalidRequest("It is wrong.")
    assert not any(map(is_unavailable, (busy, wrong, DeadlineExceeded("model"))))


@pytest.mark.parametrize("problem", [ReplicaLost("m"), Unavailable("None.", retry_after_s=3)])
def test_they_cross_processes(problem: Problem) -> None:
    copy = pickle.loads(pickle.dumps(problem))
    assert (type(copy), copy.detail, copy.headers) == (
        type(problem),
        problem.detail,
        problem.headers,
    )
