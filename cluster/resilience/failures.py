"""Ray's failures as problems: one table, the most specific class first.

Flows in: whatever awaiting a Serve handle raised. Flows out: the Problem that the far side raised,
in its plain class, or the one that stands for the failure in between.
"""

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

from cluster.problems import ClientGone, DeadlineExceeded, ModelFailed, Overloaded, Problem


def from_ray(error: BaseException, target: str) -> Problem:
    """The problem behind `error`, raised while calling `target` (a model id, or a stage)."""
    if isinstance(error, Problem):
        return _plain(error)
    if isinstance(error, BackPressureError):
        return Overloaded(f"'{target}' has a full queue.", error.retry_after_s or 1.0)
    if isinstance(error, DeploymentUnavailableError):
        return Overloaded(f"'{target}' is not up.", retry_after_s=5.0)
    if isinstance(error, GetTimeoutError | TimeoutError):
        return DeadlineExceeded(target)
    if isinstance(error, RequestCancelledError | TaskCancelledError):
        return ClientGone(f"The call to '{target}' was cancelled.")
    if isinstance(error, RayActorError):
        return ModelFailed(target, f"A replica of '{target}' died during the call.")
    if isinstance(error, RayTaskError):
        return ModelFailed(target)
    if isinstance(error, RayError | RayServeException):
        return Overloaded(f"'{target}' cannot be reached.", retry_after_s=2.0)
    raise error


def _plain(problem: Problem) -> Problem:
    """Ray hands over a class that is both the problem's own and RayTaskError: undo that."""
    if not isinstance(problem, RayTaskError):
        return problem
    cls = next(c for c in type(problem).__mro__ if c.__module__ != "ray.exceptions")
    plain: Problem = cls.__new__(cls)
    plain.args = (problem.detail,)
    plain.detail = problem.detail
    plain.extensions = problem.extensions
    return plain
