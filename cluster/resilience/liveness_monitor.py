"""Monitors the attempts under way, with one timer for all calls of a model.

In: attempts, as they are sent. Out: a report to the replica set about a replica that gives no sign
of life, and an end to attempts that no replica takes. Ray Serve waits for ever if there is no
replica, or a stopped one: `DeploymentHandle` has no time limit of its own.
"""

import asyncio
from contextvars import Context
from typing import Protocol

from cluster.balancing.replica_set import ReplicaSet
from cluster.resilience.failure_class import ReplicaLost, Unavailable
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem

LOOK_S = 0.25
_SEVERAL = 3.0  # times the usual response time, before a missing response means anything
_REFUSED = 2
_SMOOTHING = 0.05
_ROUNDS_LEFT = 2  # before its deadline an attempt without a replica is given up


class MonitoredAttempt(Protocol):
    """One attempt. `sent_at` is monotonic; a replica has `patience_s` to take it. `placed`: it was
    sent to a replica; `refused`: how many replicas did not take it; `silent`: the replica set was
    told that the replica gives no sign of life.
    """

    call: str
    sent_at: float
    patience_s: float
    placed: bool
    refused: int
    silent: bool

    @property
    def accepted(self) -> bool:
        """A replica has taken it. False may mean that this is unknown before the response."""
        ...

    @property
    def tells(self) -> bool:
        """Whether `accepted` is known before the response."""
        ...

    def give_up(self, problem: Problem) -> None:
        """End it; its waiter gets the problem."""
        ...


class AttemptMonitor:
    """Use it on one event loop. An attempt is checked every quarter second, until a replica has
    accepted it.

    If there is no replica for `patience_s`, or shortly before its deadline, it is given up; at once
    if other models would answer instead. If it was sent, but not accepted within the `silence_s` of
    EjectionSpec (nor, where acceptance is unknown, answered within three times the usual time), the
    replica set is told. It is then given up if there is another replica to ask, and this one has
    certainly not accepted it or gives no sign of life at all.
    """

    def __init__(self, target: str, fleet: ReplicaSet, spec: ResilienceSpec, clock: Clock) -> None:
        """`target` is the model's id."""
        self._target = target
        self._fleet = fleet
        self._clock = clock
        self._patience_s = spec.patience_s
        self._hurries = bool(spec.fallback)
        self._open: dict[
            int, MonitoredAttempt
        ] = {}  # by identity: clients may repeat a request's id
        self._looking = False
        self._usual_s = 0.0

    def add(self, attempt: MonitoredAttempt) -> None:
        self._open[id(attempt)] = attempt
        if not self._looking:
            self._looking = True
            self._schedule_look()

    def remove(self, attempt: MonitoredAttempt) -> None:
        self._open.pop(id(attempt), None)

    def answered(self, seconds: float) -> None:
        """An attempt was answered after so long."""
        usual_s = self._usual_s or seconds
        self._usual_s = usual_s + _SMOOTHING * (seconds - usual_s)

    def look(self) -> None:
        """One round."""
        now = self._clock.monotonic()
        for attempt in tuple(self._open.values()):
            if attempt.accepted:
                self.remove(attempt)
                continue
            age_s = now - attempt.sent_at
            if self._is_lost(attempt) and age_s >= self._limit_s(attempt):
                attempt.give_up(Unavailable(f"'{self._target}' has no replica up.", 5.0))
            elif attempt.placed:
                self._check_silence(attempt, age_s)

    def _again(self) -> None:
        self.look()
        self._looking = bool(self._open)
        if self._looking:
            self._schedule_look()

    def _schedule_look(self) -> None:
        """In the context of no request: the timer serves all of them."""
        asyncio.get_running_loop().call_later(LOOK_S, self._again, context=Context())

    def _is_lost(self, attempt: MonitoredAttempt) -> bool:
        """Whether no replica takes it: there is none, or only dead ones, which Serve goes on asking
        until the controller removes them.
        """
        fleet = self._fleet
        attempt.placed = attempt.placed or fleet.placed(attempt.call) is not None
        attempt.refused += fleet.was_rejected(attempt.call)
        return attempt.refused >= _REFUSED if attempt.placed else not fleet.size

    def _limit_s(self, attempt: MonitoredAttempt) -> float:
        """How long it may wait for a replica to come."""
        if self._hurries and self._fleet.is_initialised:
            return LOOK_S
        return min(self._patience_s, max(LOOK_S, attempt.patience_s - _ROUNDS_LEFT * LOOK_S))

    def _check_silence(self, attempt: MonitoredAttempt, age_s: float) -> None:
        silence_s = self._fleet.spec.ejection.silence_s
        usual_s = 0.0 if attempt.tells else _SEVERAL * self._usual_s
        if age_s < max(silence_s, usual_s):
            return
        if not attempt.silent:
            attempt.silent = True
            self._fleet.report(attempt.call, "silent", age_s)
        if self._fleet.size > 1 and (attempt.tells or self._is_silent(attempt)):
            attempt.give_up(ReplicaLost(self._target, "A replica gives no sign of life."))

    def _is_silent(self, attempt: MonitoredAttempt) -> bool:
        """Whether the replica set, which sees all calls of the replica, has ejected it for that."""
        replica = self._fleet.placed(attempt.call)
        status = self._fleet.statuses().get(replica or "")
        known = self._usual_s > 0
        return known and status is not None and status.ejected_because == "silent"
