"""What a failure says: of the replica, of the model, or of the caller.

Flows in: the Problem that an attempt ended with. Flows out: whether it counts against the model,
and whether another replica may be asked. Two problems of this stage: a replica that was lost, and
a model that nobody can reach now.
"""

from enum import Enum

from cluster.runtime.problems import DeadlineExceeded, Draining, ModelFailed, Overloaded, Problem


class ReplicaLost(ModelFailed):
    """502: the replica died, or the way to it failed; another one may do better."""

    slug, title = "replica-lost", "The replica was lost"


class Unavailable(Overloaded):
    """503: no replica can be asked now; there is none, or they fail and are left alone a while."""

    slug, title = "model-unavailable", "The model cannot be reached now"


class FailureClass(Enum):
    """LOST and BUSY may be tried elsewhere; LOST and FAILED count against the model."""

    LOST = "lost"
    BUSY = "busy"
    FAILED = "failed"
    NONE = "none"


def classify(problem: Problem, seconds: float, slow_s: float) -> FailureClass:
    """`seconds` is how long the attempt took. A deadline that passed before an answer would count
    as slow says more of the caller, who chose it, than of the model.
    """
    if isinstance(problem, ReplicaLost | Draining | Unavailable):
        return FailureClass.LOST
    if isinstance(problem, Overloaded):
        return FailureClass.BUSY
    if isinstance(problem, DeadlineExceeded):
        return FailureClass.FAILED if seconds >= slow_s else FailureClass.NONE
    return FailureClass.FAILED if problem.status >= 500 else FailureClass.NONE


def is_unavailable(problem: Problem) -> bool:
    """Whether another model may answer instead: this one cannot, and it is not the caller's fault.

    A model that is only busy is not unavailable.
    """
    return isinstance(problem, Unavailable | ModelFailed | Draining)
