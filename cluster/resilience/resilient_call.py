"""Calls of one model that outlive a failing replica: breaker -> attempts -> answer or problem.

Flows in: a call's id and deadline, and how to send one attempt at it. Flows out: what the first
good attempt gave (for a stream: its first item). Tried again is only what may do better on another
replica, within the deadline and the budget of retries, and while nothing has been sent to whoever
called. Knows no Ray: an `Attempt` does.
"""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cluster.balancing.replica_set import ReplicaSet
from cluster.resilience.attempts import Attempt, AttemptRunner, Send
from cluster.resilience.breaker import BreakerFigures
from cluster.resilience.failure_class import FailureClass, Unavailable, classify
from cluster.resilience.hedging import HedgePolicy
from cluster.resilience.race import first_success
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
        """What the first good attempt gave.

        Raises Unavailable where there is none to be had, and what the last attempt raised else.
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
            course = _Course(request_id, began, timeout_s, [attempt])
            return await self._more(problem, course, send)

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

    async def _more(self, problem: Problem, course: "_Course[T]", send: Send[T]) -> T:
        """Further attempts after some that gave `problem`."""
        while self._worth_another(problem, course):
            try:
                lease = self.attempts.acquire_pass()
                self.retries += 1
                return await self.attempts.run(self._another(course, send), lease)
            except Problem as found:
                problem = found
        raise self.attempts.final(problem)

    def _worth_another(self, problem: Problem, course: "_Course[T]") -> bool:
        """Whether another replica may do better, and one more attempt is paid for."""
        now = self._now()
        verdict = classify(problem, 0.0, self._spec.breaker.slow_s)
        if isinstance(problem, Unavailable) or verdict not in (
            FailureClass.LOST,
            FailureClass.BUSY,
        ):
            return False
        if verdict is FailureClass.BUSY and self._fleet.size < 2:
            return False
        if len(course.sent) > self._spec.retries or course.left_s(now) <= 0:
            return False
        return self._budget.take(now)

    def _another(self, course: "_Course[T]", send: Send[T]) -> Attempt[T]:
        """One more attempt, at another replica if there is one."""
        call = f"{course.request_id}~{len(course.sent) + 1}"
        self._fleet.avoid(call, self.attempts.replicas(course.sent))
        attempt = send(call, course.left_s(self._now()))
        course.sent.append(attempt)
        return attempt

    async def _hedged(
        self, hedging: HedgePolicy, request_id: str, timeout_s: float, send: Send[T], lease: int
    ) -> T:
        began, attempts = self._now(), self.attempts
        hedging.called(began)
        course = _Course(request_id, began, timeout_s, [send(request_id, timeout_s)])
        first = attempts.run_with(course.sent[0], lease)
        try:
            delay_s = hedging.delay_s()
            if delay_s is None:
                winner, found = await first
            else:
                winner, found = await first_success(
                    first, delay_s, lambda: self._second(course, send)
                )
        except Problem as problem:
            return await self._more(problem, course, send)
        except BaseException:
            attempts.abandon(course.sent)  # one may have begun to answer just now
            raise
        attempts.cancel_losers(course.sent, winner)
        hedging.observe(self._now() - winner.sent_at)
        return found

    def _second(
        self, course: "_Course[T]", send: Send[T]
    ) -> Coroutine[Any, Any, tuple[Attempt[T], T]] | None:
        """A second attempt beside the first, if there is another replica and it is allowed."""
        hedging, breaker = self._hedging, self.attempts.breaker
        if hedging is None or self._fleet.size < 2 or not breaker.closed:
            return None
        if not hedging.take(self._now()):
            return None
        self.hedges += 1
        return self.attempts.run_with(self._another(course, send), self.attempts.acquire_pass())


@dataclass(slots=True)
class _Course(Generic[T]):
    """One call on its way: what was sent for it, and until when."""

    request_id: str
    began: float
    timeout_s: float
    sent: list[Attempt[T]] = field(default_factory=list)

    def left_s(self, now: float) -> float:
        return self.began + self.timeout_s - now
