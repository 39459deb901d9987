"""Calls of one model that survive a failing replica: breaker -> attempts -> response or problem.

In: a call's id and deadline, and how to send one attempt. Out: the response of the first successful
attempt (for a stream: its first item). A call is retried only if another replica may do better,
within the deadline and the retry budget, and while nothing has been sent to the caller. Knows no
Ray: an `Attempt` does.
"""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cluster.balancing.replica_set import ReplicaSet
from cluster.resilience.attempts import Attempt, AttemptRunner, Send
from cluster.resilience.breaker import BreakerFigures
from cluster.resilience.failure_class import (
    AllUpstreamsBusy,
    FailureClass,
    Unavailable,
    classify,
    needs_another,
)
from cluster.resilience.hedging import HedgePolicy, first_success
from cluster.resilience.retry_budget import RetryBudget
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CallStats:
    """Counts since the start of the process; `refused` by the open breaker."""

    breaker: BreakerFigures
    calls: int
    attempts: int
    retries: int
    hedges: int
    refused: int


class ResilientCaller:
    """One a model and process, used on one event loop."""

    def __init__(self, target: str, spec: ResilienceSpec, fleet: ReplicaSet, clock: Clock) -> None:
        """`target` is the model's id."""
        self._spec = spec
        self._fleet = fleet
        self._now = clock.monotonic
        self._budget = RetryBudget(spec.retry_share)
        self._hedging = HedgePolicy(spec.hedge) if spec.hedge is not None else None
        self.attempts = AttemptRunner(target, spec, fleet, clock)
        self.calls = self.retries = self.hedges = 0

    async def run(self, request_id: str, timeout_s: float, send: Send[T]) -> T:
        """The response of the first successful attempt.

        Raises Unavailable if no replica can be asked, else the error of the last attempt.
        """
        began = self._now()
        lease = self.attempts.acquire_pass()
        self.calls += 1
        self._budget.record_call(began)
        if self._hedging is not None:
            return await self._hedged(self._hedging, request_id, timeout_s, send, lease)
        attempt = send(request_id, timeout_s)
        try:
            return await self.attempts.run(attempt, lease)
        except Problem as problem:
            progress = _CallProgress(request_id, began, timeout_s, [attempt])
            return await self._retry(problem, progress, send)

    def figures(self) -> CallStats:
        attempts = self.attempts
        return CallStats(
            attempts.breaker.figures(),
            self.calls,
            attempts.sent,
            self.retries,
            self.hedges,
            attempts.refused,
        )

    async def _retry(self, problem: Problem, progress: "_CallProgress[T]", send: Send[T]) -> T:
        """Further attempts after some that ended with `problem`."""
        while self._may_retry(problem, progress):
            try:
                lease = self.attempts.acquire_pass()
                self.retries += 1
                return await self.attempts.run(self._send_another(progress, send), lease)
            except Problem as error:
                problem = error
        raise self.attempts.final(problem)

    def _may_retry(self, problem: Problem, progress: "_CallProgress[T]") -> bool:
        """Whether another replica may do better, and the budget allows one more attempt."""
        now = self._now()
        failure = classify(problem, 0.0, self._spec.breaker.slow_s)
        if isinstance(problem, Unavailable | AllUpstreamsBusy) or failure not in (
            FailureClass.LOST,
            FailureClass.BUSY,
        ):
            return False
        if self._fleet.size < 2 and needs_another(problem, failure):
            return False
        if len(progress.sent) > self._spec.retries or progress.left_s(now) <= 0:
            return False
        return self._budget.take(now)

    def _send_another(self, progress: "_CallProgress[T]", send: Send[T]) -> Attempt[T]:
        """One more attempt, at another replica if there is one."""
        call = f"{progress.request_id}~{len(progress.sent) + 1}"
        self._fleet.avoid(call, self.attempts.replicas(progress.sent))
        attempt = send(call, progress.left_s(self._now()))
        progress.sent.append(attempt)
        return attempt

    async def _hedged(
        self, hedging: HedgePolicy, request_id: str, timeout_s: float, send: Send[T], lease: int
    ) -> T:
        began, attempts = self._now(), self.attempts
        hedging.called(began)
        first_attempt = send(request_id, timeout_s)
        progress = _CallProgress(request_id, began, timeout_s, [first_attempt])
        first = attempts.run_with(progress.sent[0], lease)
        try:
            delay_s = hedging.delay_s()
            if delay_s is None:
                winner, response = await first
            else:
                winner, response = await first_success(
                    first, delay_s, lambda: self._send_hedge(progress, send)
                )
        except Problem as problem:
            return await self._retry(problem, progress, send)
        except BaseException:
            attempts.abandon(progress.sent)  # one may have begun to answer just now
            raise
        attempts.cancel_losers(progress.sent, winner)
        hedging.observe(self._now() - winner.sent_at)
        return response

    def _send_hedge(
        self, progress: "_CallProgress[T]", send: Send[T]
    ) -> Coroutine[Any, Any, tuple[Attempt[T], T]] | None:
        """A second attempt beside the first, if there is another replica and it is allowed."""
        hedging, breaker = self._hedging, self.attempts.breaker
        if hedging is None or self._fleet.size < 2 or not breaker.closed:
            return None
        if not hedging.take(self._now()):
            return None
        self.hedges += 1
        return self.attempts.run_with(
            self._send_another(progress, send), self.attempts.acquire_pass()
        )


@dataclass(slots=True)
class _CallProgress(Generic[T]):
    """The attempts of one call so far, and its deadline."""

    request_id: str
    began: float
    timeout_s: float
    sent: list[Attempt[T]] = field(default_factory=list)

    def left_s(self, now: float) -> float:
        return self.began + self.timeout_s - now
