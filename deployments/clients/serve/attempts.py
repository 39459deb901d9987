"""One request on its way through a Serve handle: its result, or a stream's first item.

Flows in: a response that Serve has begun to assign. Flows out: its result within the deadline, with
Ray's failures as problems; a replica returns its own problems, which are raised here.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any, Generic, TypeVar

from ray.serve.handle import DeploymentResponse, DeploymentResponseGenerator

from cluster.resilience.ray_errors import REMOTE_ERRORS, from_ray
from cluster.runtime.problems import DeadlineExceeded, Problem
from deployments.contracts.text_relay import TextRelay

T = TypeVar("T")
_REASON_CHARS = 500

logger = logging.getLogger("mobula.ingress")


class _PendingCall:
    """Implements `MonitoredAttempt` (cluster/resilience/liveness_monitor.py)."""

    __slots__ = (
        "_given_up",
        "_model",
        "call",
        "ending",
        "patience_s",
        "placed",
        "refused",
        "replica",
        "response",
        "sent_at",
        "silent",
        "timeout_s",
    )

    def __init__(
        self,
        model: str,
        response: Any,
        call: str,
        timeout_s: float,
        sent_at: float,
        patience_s: float | None = None,
    ) -> None:
        """`patience_s` bounds the wait for a replica that accepts it (None: `timeout_s`)."""
        self.response = response
        self.call = call
        self.timeout_s = timeout_s
        self.patience_s = timeout_s if patience_s is None else patience_s
        self.sent_at = sent_at
        self.placed = self.silent = False
        self.refused = 0
        self.replica: str | None = None
        self.ending: tuple[float, str] | None = None
        self._model = model
        self._given_up: Problem | None = None

    @property
    def accepted(self) -> bool:
        """Whether a replica has accepted: Serve shows that only by its assignment, which is then
        done. Over gRPC, a result in one piece brings its acceptance along.
        """
        return bool(self.response._replica_result_future.done())

    def give_up(self, problem: Problem) -> None:
        self._given_up = problem
        self.cancel()

    def cancel(self) -> None:
        """Serve's own `cancel` ends an accepted call only once its result was fetched, which is a
        turn of the loop later; until then the call would run on."""
        response = self.response
        response.cancel()
        assigned = response._replica_result_future
        if response._replica_result is not None or not assigned.done():
            return
        if not assigned.cancelled() and assigned.exception() is None:
            assigned.result().cancel()

    def problem(self, error: BaseException) -> Problem:
        """The problem behind an error, which is logged; raises the error where it is not Ray's."""
        problem = self._given_up or from_ray(error, self._model)
        if problem.status >= 500:
            reason = f"{type(error).__name__}: {error}"[:_REASON_CHARS]
            logger.warning(
                "a call of a model failed: %s",
                problem.detail,
                extra={
                    "model": self._model,
                    "replica": self.replica,
                    "reason": reason,
                },
            )
        return problem

    def late(self) -> DeadlineExceeded:
        self.cancel()
        return DeadlineExceeded(self._model, round(self.timeout_s, 3))


class UnaryAttempt(_PendingCall, Generic[T]):
    """A result in one piece."""

    __slots__ = ()
    lasts = tells = False
    response: DeploymentResponse[T | Problem]

    async def answer(self) -> T:
        try:
            async with asyncio.timeout(self.timeout_s):
                result = await self.response
        except TimeoutError:
            raise self.late() from None
        except REMOTE_ERRORS as error:
            raise self.problem(error) from None
        if isinstance(result, Problem):
            raise result
        return result


class StreamAttempt(_PendingCall, Generic[T]):
    """A stream: its result is itself, and the first item (None: it ended without one)."""

    __slots__ = ("ended",)
    lasts = tells = True
    response: DeploymentResponseGenerator[T | Problem]

    async def answer(self) -> "tuple[StreamAttempt[T], T | None]":
        self.ended = True
        try:
            async with asyncio.timeout(self.timeout_s):
                first = await anext(self.response, None)
        except TimeoutError:
            raise self.late() from None
        except REMOTE_ERRORS as error:
            raise self.problem(error) from None
        if isinstance(first, Problem):
            raise first
        self.ended = first is None
        return self, first

    async def rest(self, relay: TextRelay | None = None) -> AsyncGenerator[T, None]:
        """The items after the first, all of them: Serve has woken the task for each. Raises
        Problems."""
        try:
            async for item in self.response:
                if isinstance(item, Problem):
                    raise item
                yield item
        except REMOTE_ERRORS as error:
            raise self.problem(error) from None
