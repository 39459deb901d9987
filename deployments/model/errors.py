"""Problems of engines, with a reason that is logged and never leaves the cluster; and problems as
return values of replicas.

In: an engine library's error. Out: Problems whose `detail` a client may read, and whose notes
(PEP 678) hold the reason, for the log. Serve logs the whole traceback of an exception that a
replica raises and wraps it for the caller; a refusal under load would cost more than a response, so
replicas return problems.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Protocol, TypeVar

from cluster.resilience.failure_class import ReplicaLost
from cluster.runtime.logging import logged_request
from cluster.runtime.problems import InvalidRequest, ModelFailed, Problem
from cluster.tenants.caller import Caller
from cluster.tracing.log_context import log_trace

P = TypeVar("P", bound=Problem)
T = TypeVar("T")

logger = logging.getLogger("mobula.model")

_REASON_CHARS = 2_000


def model_failed(model: str, reason: str) -> ModelFailed:
    """The engine could not complete one sequence."""
    return _with_reason(ModelFailed(model), reason)


def replica_lost(model: str, reason: str) -> ReplicaLost:
    """The engine is broken, and its replica will be replaced."""
    return _with_reason(ReplicaLost(model, "The model's engine failed."), reason)


def refused_parameters(model: str, reason: str) -> InvalidRequest:
    """The engine refuses the parameters of this sequence: a fault of the request, 400."""
    return _with_reason(
        InvalidRequest(f"The engine of model '{model}' does not take these parameters."), reason
    )


def refused_images(model: str, reason: str) -> InvalidRequest:
    """The model takes no pictures of this kind, such as very narrow ones: 400."""
    problem = InvalidRequest(
        f"messages: model '{model}' does not take these pictures.", param="messages"
    )
    return _with_reason(problem, reason)


class Request(Protocol):
    """The fields of a call in log lines."""

    @property
    def request_id(self) -> str: ...

    @property
    def caller(self) -> Caller: ...

    @property
    def model(self) -> str: ...


def _log_context(request: Request) -> None:
    """Log lines of this task are about the request, and its span where it is traced."""
    logged_request.set((request.request_id, request.caller.tenant))
    trace = getattr(request, "trace", "")
    if trace:
        log_trace(trace)


async def as_response(work: Awaitable[T], request: Request) -> T | Problem:
    """The result of a call, or its problem."""
    _log_context(request)
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - logged there, and returned
        return as_picklable(error, request.model)


async def as_response_stream(
    items: AsyncGenerator[T, None], request: Request
) -> AsyncGenerator[T | Problem, None]:
    """The items of a call, and its problem as the last one."""
    _log_context(request)
    try:
        async with aclosing(items):
            async for item in items:
                yield item
    except Exception as error:  # noqa: BLE001 - logged there, and returned
        yield as_picklable(error, request.model)


def as_picklable(error: Exception, model: str) -> Problem:
    """The problem, ready to be pickled and raised by the caller; its reason is logged.

    The log line names the request; the client gets only its id. An unexpected error is the model's
    failure.
    """
    problem = error
    if not isinstance(problem, Problem):
        problem = model_failed(model, f"{type(error).__name__}: {error}")
        problem.__cause__ = error
    reason = "; ".join(getattr(problem, "__notes__", ()))
    if isinstance(problem, ModelFailed):
        logger.error(
            "the model failed",
            exc_info=problem,
            extra={"model": problem.extensions.get("model"), "reason": reason or None},
        )
    elif reason:
        logger.warning("the engine refused a request", extra={"reason": reason})
    problem.__dict__.pop("__notes__", None)
    problem.__cause__ = problem.__context__ = None
    return problem.with_traceback(None)


def _with_reason(problem: P, reason: str) -> P:
    problem.add_note(reason[:_REASON_CHARS])
    return problem
