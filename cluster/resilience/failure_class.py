"""Classifies a failure: of the replica, of the model, or of the caller.

In: the Problem that an attempt ended with. Out: whether it counts against the model, and whether
another replica may be asked. Defines two problems of this stage: a lost replica, and a model that
cannot be reached now.
"""

from enum import Enum

from cluster.runtime.problems import DeadlineExceeded, Draining, ModelFailed, Overloaded, Problem


class ReplicaLost(ModelFailed):
    """502: the replica died, or the way to it failed; another one may do better."""

    slug, title = "replica-lost", "The replica was lost"


class Unavailable(Overloaded):
    """503: no replica can be asked now: there is none, or the circuit breaker is open."""

    slug, title = "model-unavailable", "The model cannot be reached now"


class FailureClass(Enum):
    """LOST and BUSY may be tried elsewhere; LOST and FAILED count against the model."""

    LOST = "lost"
    BUSY = "busy"
    FAILED = "failed"
    NONE = "none"


def classify(problem: Problem, seconds: float, slow_s: float) -> FailureClass:
    """`seconds` is how long the attempt took. A deadline that passed before a response would count
    as slow is the caller's own, and no failure of the model.
    """
    if isinstance(problem, ReplicaLost | Draining | Unavailable):
        return FailureClass.LOST
    if isinstance(problem, Overloaded):
        return FailureClass.BUSY
    if isinstance(problem, DeadlineExceeded):
        return FailureClass.FAILED if seconds >= slow_s else FailureClass.NONE
    return FailureClass.FAILED if problem.status >= 500 else FailureClass.NONE


def is_unavailable(problem: Problem) -> bool:
    """Whether another model may answer instead: this one cannot, through no fault of the caller.

    A model that is only busy is not unavailable.
    """
    return isinstance(problem, Unavailable | ModelFailed | Draining)
