"""Single attempts at calls of one model: let in by the breaker, watched, and told of to the fleet.

Flows in: an Attempt that was sent. Flows out: its answer or its problem. Whether there is another
attempt is decided in calls.py.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from cluster.balancing.replica_set import ReplicaSet
from cluster.resilience.breaker import CircuitBreaker
from cluster.resilience.failure_class import FailureClass, Unavailable, classify
from cluster.resilience.liveness_monitor import AttemptMonitor, MonitoredAttempt
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Attempt(MonitoredAttempt, Protocol[T_co]):
    """One request on its way to one replica. `lasts`: more comes after its answer (a stream).

    `replica` is filled in where the attempt has failed or was given up: where it was sent, None
    where it was sent nowhere.
    """

    replica: str | None

    @property
    def lasts(self) -> bool: ...

    async def answer(self) -> T_co:
        """The answer, or a stream's first item; once. Raises Problems."""
        ...

    def cancel(self) -> None:
        """Nobody wants it any more; may be called again, and after its end."""
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
            self.breaker.allow_probe()  # it is open for want of replicas, and there is one again
            lease = self.breaker.try_acquire()
        if lease is None:
            self.refused += 1
            raise self._unavailable()
        return lease

    async def run(self, attempt: Attempt[T], lease: int) -> T:
        """Its answer. Raises what it raises."""
        self.sent += 1
        self.watch.add(attempt)
        try:
            found = await attempt.answer()
        except Problem as problem:
            self._failed(attempt, lease, problem)
            raise
        except BaseException:
            attempt.replica = self._fleet.placed(attempt.call)
            attempt.cancel()
            self._given_up(attempt, lease)
            raise
        finally:
            self.watch.remove(attempt)
        seconds = self._now() - attempt.sent_at
        self.breaker.record(lease, failed=False, seconds=seconds)
        self.watch.answered(seconds)
        if not attempt.lasts:
            self._fleet.report(attempt.call, "ok", seconds)
        return found

    async def run_with(self, attempt: Attempt[T], lease: int) -> tuple[Attempt[T], T]:
        """The same, with the attempt that gave it."""
        return attempt, await self.run(attempt, lease)

    def cancel_losers(self, sent: Sequence[Attempt[T]], winner: Attempt[T]) -> None:
        """End what the winner has beaten. A first attempt that was late and then overtaken speaks
        against its replica, else one that hangs would never be found out.
        """
        for number, attempt in enumerate(sent):
            if attempt is not winner:
                attempt.cancel()
                seconds = self._now() - attempt.sent_at
                self._fleet.report(attempt.call, "gone" if number else "failed", seconds)

    def abandon(self, sent: Sequence[Attempt[T]]) -> None:
        """Nobody wants any of them."""
        for attempt in sent:
            attempt.cancel()
            self._fleet.report(attempt.call, "gone", self._now() - attempt.sent_at)

    def stream_ended(self, attempt: Attempt[T], problem: Problem | None, seconds: float) -> None:
        """An attempt that lasts has ended, well or by `problem`; `seconds` is what its first item
        took.
        """
        verdict = FailureClass.NONE
        attempt.replica = attempt.replica or self._fleet.placed(attempt.call)
        if problem is not None:
            age_s = self._now() - attempt.sent_at
            verdict = classify(problem, age_s, self._slow_s)
        if verdict is FailureClass.LOST or verdict is FailureClass.FAILED:
            self.breaker.record(0, failed=True, seconds=seconds)
            self._fleet.report(attempt.call, "failed", seconds)
        else:
            self._fleet.report(attempt.call, "ok", seconds)

    def replicas(self, sent: Sequence[Attempt[T]]) -> frozenset[str]:
        """Those that the attempts have gone to, as far as it is known."""
        found = (attempt.replica or self._fleet.placed(attempt.call) for attempt in sent)
        return frozenset(replica for replica in found if replica is not None)

    def final(self, problem: Problem) -> Problem:
        """What the caller is told: that a replica was lost is not their business."""
        lost = classify(problem, 0.0, self._slow_s) is FailureClass.LOST
        return self._unavailable() if lost and not isinstance(problem, Unavailable) else problem

    def _failed(self, attempt: Attempt[T], lease: int, problem: Problem) -> None:
        seconds = self._now() - attempt.sent_at
        verdict = classify(problem, seconds, self._slow_s)
        attempt.replica = self._fleet.placed(attempt.call)
        if verdict is FailureClass.LOST or verdict is FailureClass.FAILED:
            self._deserted = self._fleet.size == 0
            self.breaker.record(lease, failed=True, seconds=seconds)
            self._fleet.report(attempt.call, "failed", seconds)
        else:
            self.breaker.release(lease)
            self._fleet.report(attempt.call, "gone", seconds)

    def _given_up(self, attempt: Attempt[T], lease: int) -> None:
        """Nobody waits for it any more. For the breaker, one that was waited for longer than a slow
        call takes was slow."""
        seconds = self._now() - attempt.sent_at
        if seconds > self._slow_s:
            self.breaker.record(lease, failed=False, seconds=seconds)
        else:
            self.breaker.release(lease)
        self._fleet.report(attempt.call, "gone", seconds)

    def _unavailable(self) -> Unavailable:
        retry_after_s = self.breaker.figures().retry_after_s or 1.0
        return Unavailable(f"'{self._target}' cannot be reached now.", retry_after_s=retry_after_s)
