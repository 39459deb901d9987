"""Ray's errors as Problems: one table, the most specific class first.

In: what awaiting a Serve handle raised. Out: the Problem that the replica raised, in its plain
class, or the one that stands for the failure of the call.
"""

from collections.abc import Callable
from typing import Any

from grpc import RpcError, StatusCode
from ray.exceptions import (
    GetTimeoutError,
    RayActorError,
    RayError,
    RayTaskError,
    TaskCancelledError,
)
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    RequestCancelledError,
)

from cluster.resilience.failure_class import ReplicaLost, Unavailable
from cluster.runtime.problems import ClientGone, DeadlineExceeded, ModelFailed, Overloaded, Problem

# What a call by Serve handle raises if it fails: Ray's errors, gRPC's, which Serve passes on, and
# RuntimeError for those of gRPC that it does not know.
REMOTE_ERRORS = (RayError, RayServeException, RpcError, RuntimeError)

_UNEXPECTED = "Unexpected error (StatusCode."  # what Serve raises for an interrupted call
_ENDED = frozenset((StatusCode.UNAVAILABLE, StatusCode.CANCELLED, StatusCode.ABORTED))


def from_ray(error: BaseException, target: str) -> Problem:
    """The problem behind `error`, raised while calling `target` (a model id, or a stage).

    Raises `error` itself if it is not Ray's.
    """
    if isinstance(error, Problem):
        return _plain(error)
    for kinds, problem in _TABLE:
        if isinstance(error, kinds):
            return problem(error, target)
    if isinstance(error, RuntimeError) and str(error).startswith(_UNEXPECTED):
        return ReplicaLost(target, f"A replica of '{target}' ended before the call.")
    raise error


def _full(error: Any, target: str) -> Problem:
    return Overloaded(f"'{target}' has a full queue.", error.retry_after_s or 1.0)


def _of_grpc(error: Any, target: str) -> Problem:
    """Serve passes on what gRPC raises: the end of a replica's server, a message over the limit."""
    code = error.code() if hasattr(error, "code") else None
    if code in _ENDED:
        return ReplicaLost(target, f"A replica of '{target}' ended during the call.")
    return ModelFailed(target, f"The answer of '{target}' could not be carried.")


# The first row that fits decides.
_TABLE: tuple[tuple[tuple[type[BaseException], ...], Callable[[Any, str], Problem]], ...] = (
    ((BackPressureError,), _full),
    (
        (DeploymentUnavailableError,),
        lambda _, target: Unavailable(f"'{target}' is not up.", retry_after_s=5.0),
    ),
    ((GetTimeoutError, TimeoutError), lambda _, target: DeadlineExceeded(target)),
    (
        (RequestCancelledError, TaskCancelledError),
        lambda _, target: ClientGone(f"The call to '{target}' was cancelled."),
    ),
    (
        (RayActorError,),
        lambda _, target: ReplicaLost(target, f"A replica of '{target}' died during the call."),
    ),
    ((RayTaskError,), lambda _, target: ModelFailed(target)),
    ((RpcError,), _of_grpc),
    (
        (RayError, RayServeException),
        lambda _, target: Unavailable(f"'{target}' cannot be reached.", retry_after_s=2.0),
    ),
)


def _plain(problem: Problem) -> Problem:
    """Ray makes a class that is both the problem's own and RayTaskError: undo that."""
    if not isinstance(problem, RayTaskError):
        return problem
    cls = next(c for c in type(problem).__mro__ if c.__module__ != "ray.exceptions")
    assert issubclass(cls, Problem)
    plain = cls.__new__(cls)
    plain.args = (problem.detail,)
    plain.detail = problem.detail
    plain.extensions = problem.extensions
    return plain
