"""Classifies a failure: of the replica, of the model, or of the caller.

In: the Problem that an attempt ended with. Out: whether it counts against the model, and whether
another replica may be asked. Defines the problems of this stage: a lost replica, a model that
cannot be reached now, and what the upstreams of a provider do wrong (deployments/providers).
"""

from enum import Enum

from cluster.runtime.problems import DeadlineExceeded, Draining, ModelFailed, Overloaded, Problem


class ReplicaLost(ModelFailed):
    """502: the replica died, or the way to it failed; another one may do better."""

    slug, title = "replica-lost", "The replica was lost"


class Unavailable(Overloaded):
    """503: no replica can be asked now: there is none, or the circuit breaker is open."""

    slug, title = "model-unavailable", "The model cannot be reached now"


class UpstreamFailed(ModelFailed):
    """502: an upstream failed, or its answer cannot be read; another one may do better."""

    slug, title = "upstream-failed", "The provider failed"


class UpstreamRefused(UpstreamFailed):
    """502: an upstream refuses the operator's key, model name or URL; only another upstream can do
    better."""

    slug, title = "upstream-refused", "The provider refuses the configured access"


class UpstreamBusy(Overloaded):
    """503: an upstream takes no more now, or a quota there is used up; others may."""

    slug, title = "upstream-busy", "The provider takes no more requests now"


class AllUpstreamsBusy(UpstreamBusy):
    """503: no upstream may be asked before the time in Retry-After."""

    slug, title = "all-upstreams-busy", "The provider takes no more requests now"


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
    if isinstance(problem, ReplicaLost | UpstreamFailed | Draining | Unavailable):
        return FailureClass.LOST
    if isinstance(problem, Overloaded):
        return FailureClass.BUSY
    if isinstance(problem, DeadlineExceeded):
        return FailureClass.FAILED if seconds >= slow_s else FailureClass.NONE
    return FailureClass.FAILED if problem.status >= 500 else FailureClass.NONE


def is_unavailable(problem: Problem) -> bool:
    """Whether another model may answer instead: this one cannot, through no fault of the caller.

    A model that is only busy is not unavailable; one whose provider grants no more is.
    """
    return isinstance(problem, Unavailable | ModelFailed | Draining | UpstreamBusy)


def needs_another(problem: Problem, failure: FailureClass) -> bool:
    """Whether asking the same replica once more is of no use."""
    return failure is FailureClass.BUSY or isinstance(problem, UpstreamRefused)


def is_shown_to_callers(problem: Problem) -> bool:
    """Whether callers are told of it as it is: nobody is told that a replica was lost."""
    return not isinstance(problem, ReplicaLost | Draining)
