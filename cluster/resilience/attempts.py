"""Single attempts at calls of one model: admitted by the breaker, monitored, and reported.

In: an Attempt that was sent. Out: its response or its problem, and a report to the replica set.
Whether there is another attempt is decided in resilient_call.py.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from cluster.balancing.replica_set import Outcome, ReplicaSet
from cluster.resilience.breaker import CircuitBreaker
from cluster.resilience.failure_class import (
    FailureClass,
    Unavailable,
    classify,
    is_shown_to_callers,
)
from cluster.resilience.liveness_monitor import AttemptMonitor, MonitoredAttempt
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem

CANCELLED, OVERTAKEN = "cancelled", "overtaken"

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Attempt(MonitoredAttempt, Protocol[T_co]):
    """One request to one replica. `lasts`: more comes after its response (a stream).

    `replica` is set when the attempt has ended, well or not: the replica that it was sent to, None
    if to none. `ending` is when it failed or was given up (monotonic), and the problem's slug,
    CANCELLED or OVERTAKEN.
    """

    replica: str | None
    ending: tuple[float, str] | None

    @property
    def lasts(self) -> bool: ...

    async def answer(self) -> T_co:
        """The response, or a stream's first item; once. Raises Problems."""
        ...

    def cancel(self) -> None:
        """End it; may be called again, and after its end."""
        ...


Send = Callable[[str, float], Attempt[T]]  # the call's id, seconds left


class AttemptRunner:
    """One a model and process, used on one event loop."""

    def __init__(self, target: str, spec: ResilienceSpec, fleet: ReplicaSet, clock: Clock) -> None:
        self._target = target
        self._fleet = fleet
        self._now = clock.monotonic
        self._slow_s = spec.breaker.slow_s
        self._deserted = False
        self.breaker = CircuitBreaker(spec.breaker, clock)
        self.watch = AttemptMonitor(target, fleet, spec, clock)
        self.sent = self.refused = 0

    def acquire_pass(self) -> int:
        """The breaker's pass for one attempt. Raises Unavailable."""
        lease = self.breaker.try_acquire()
        if lease is None and self._deserted and self._fleet.size:
            self._deserted = False
            self.breaker.allow_probe()  # it is open because there was no replica; now there is
            lease = self.breaker.try_acquire()
        if lease is None:
            self.refused += 1
            raise self._unavailable()
        return lease

    async def run(self, attempt: Attempt[T], lease: int) -> T:
        """The attempt's response. Raises what the attempt raises."""
        self.sent += 1
        self.watch.add(attempt)
        try:
            response = await attempt.answer()
        except Problem as problem:
            self._failed(attempt, lease, problem)
            raise
        except BaseException:
            attempt.replica = attempt.replica or self._fleet.placed(attempt.call)
            attempt.cancel()
            self._given_up(attempt, lease)
            raise
        finally:
            self.watch.remove(attempt)
        seconds = self._now() - attempt.sent_at
        self.breaker.record(lease, failed=False, seconds=seconds)
        self.watch.answered(seconds)
        if not attempt.lasts:
            attempt.replica = self._fleet.report(attempt.call, "ok", seconds)
        return response

    async def run_with(self, attempt: Attempt[T], lease: int) -> tuple[Attempt[T], T]:
        """The same, together with the attempt."""
        return attempt, await self.run(attempt, lease)

    def cancel_losers(self, sent: Sequence[Attempt[T]], winner: Attempt[T]) -> None:
        """End the other attempts. A first attempt that was overtaken counts against its replica;
        else a replica that hangs would never be detected.
        """
        for number, attempt in enumerate(sent):
            if attempt is not winner:
                attempt.cancel()
                now = self._now()
                attempt.ending = attempt.ending or (now, OVERTAKEN)
                seconds = now - attempt.sent_at
                outcome: Outcome = "gone" if number else "failed"
                placed = self._fleet.report(attempt.call, outcome, seconds)
                attempt.replica = attempt.replica or placed

    def abandon(self, sent: Sequence[Attempt[T]]) -> None:
        """End all of them."""
        for attempt in sent:
            attempt.cancel()
            self._fleet.report(attempt.call, "gone", self._now() - attempt.sent_at)

    def stream_ended(self, attempt: Attempt[T], problem: Problem | None, seconds: float) -> None:
        """A stream has ended, well or by `problem`; `seconds` is what its first item took."""
        failure = FailureClass.NONE
        attempt.replica = attempt.replica or self._fleet.placed(attempt.call)
        if problem is not None:
            age_s = self._now() - attempt.sent_at
            failure = classify(problem, age_s, self._slow_s)
        if failure is FailureClass.LOST or failure is FailureClass.FAILED:
            self.breaker.record(0, failed=True, seconds=seconds)
            self._fleet.report(attempt.call, "failed", seconds)
        else:
            self._fleet.report(attempt.call, "ok", seconds)

    def replicas(self, sent: Sequence[Attempt[T]]) -> frozenset[str]:
        """The replicas that the attempts were sent to, as far as it is known."""
        replicas = (attempt.replica or self._fleet.placed(attempt.call) for attempt in sent)
        return frozenset(replica for replica in replicas if replica is not None)

    def final(self, problem: Problem) -> Problem:
        """The problem for the caller, who is not told that a replica was lost."""
        return problem if is_shown_to_callers(problem) else self._unavailable()

    def _failed(self, attempt: Attempt[T], lease: int, problem: Problem) -> None:
        now = self._now()
        attempt.ending = now, problem.slug
        seconds = now - attempt.sent_at
        failure = classify(problem, seconds, self._slow_s)
        attempt.replica = self._fleet.placed(attempt.call)
        if failure is FailureClass.LOST or failure is FailureClass.FAILED:
            self._deserted = self._fleet.size == 0
            self.breaker.record(lease, failed=True, seconds=seconds)
            self._fleet.report(attempt.call, "failed", seconds)
        else:
            self.breaker.release(lease)
            self._fleet.report(attempt.call, "gone", seconds)

    def _given_up(self, attempt: Attempt[T], lease: int) -> None:
        """The caller left. For the breaker, an attempt that took longer than a slow call was
        slow."""
        now = self._now()
        attempt.ending = attempt.ending or (now, CANCELLED)  # one may have been overtaken
        seconds = now - attempt.sent_at
        if seconds > self._slow_s:
            self.breaker.record(lease, failed=False, seconds=seconds)
        else:
            self.breaker.release(lease)
        self._fleet.report(attempt.call, "gone", seconds)

    def _unavailable(self) -> Unavailable:
        retry_after_s = self.breaker.figures().retry_after_s or 1.0
        return Unavailable(f"'{self._target}' cannot be reached now.", retry_after_s=retry_after_s)
