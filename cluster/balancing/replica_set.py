"""The state of one deployment's replicas in this process, shared by routers and callers.

A router (in the handle) reports the running replicas, dispatches and their ends; the caller reports
outcomes; balancing policy and ejection use both. There is one `ReplicaSet` per deployment and
process: `replica_set(name)`. Knows neither Serve nor HTTP.
"""

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from cluster.balancing.balancers import create_policy
from cluster.balancing.ejection import OutlierEjection
from cluster.balancing.in_flight import InFlightCalls
from cluster.balancing.replica_state import Dispatch, ReplicaInfo, ReplicaState
from cluster.balancing.request_info import RoutingRequest
from cluster.balancing.spec import RoutingSpec
from cluster.runtime.clock import Clock, SystemClock


class ReplicaWaiter:
    """Wakes waiters when there is a replica. `known`: replicas were reported once."""

    def __init__(self) -> None:
        self.known = False
        self._has_replica = False
        self._lock = Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def notify(self, *, has_replica: bool) -> None:
        with self._lock:
            self.known, self._has_replica = True, has_replica
            woken = list(self._waiting) if has_replica else []
        for loop, event in woken:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def wait(self, timeout_s: float) -> bool:
        """Returns whether there is a replica within the timeout; True at once before a report."""
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            if not self.known or self._has_replica:
                return True
            self._waiting.add(entry)
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiting.discard(entry)
        return True


Outcome = Literal["ok", "failed", "silent", "gone"]  # silent: no sign of life; gone: cancelled

# Why a replica is chosen: the call names it, an ejected one is due for a trial, it is the only one
# that may be called, the balancing policy prefers it, or it is ejected and there are no others.
CHOICES = ("named", "trial", "only", "policy", "ejected")
_EVALUATION_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """Status of one replica in this process. Times are in seconds; None: not known yet.

    `requests` and `tokens` are outstanding from this process, `elsewhere` is the estimated number
    of requests of other callers.
    """

    replica: str
    node: str
    local: bool
    requests: int
    tokens: int
    mean_s: float | None
    weight: float
    ejected_for_s: float = 0.0
    ejected_because: str = ""
    elsewhere: int = 0


class ReplicaSet:
    """Thread-safe: with the plain profile routers run on a separate event loop.

    `call` is the id of one attempt (unique in the process), which the request carries as `call`
    (or as `request_id`).
    """

    def __init__(self, spec: RoutingSpec, clock: Clock, *, pings: bool = False) -> None:
        """`pings`: the router pings the replicas of `to_ping` and reports to `ponged`."""
        self._clock = clock
        self._lock = Lock()
        self._states: dict[str, ReplicaState] = {}
        self._available: list[ReplicaState] = []
        self._ejected: list[ReplicaState] = []
        self._in_flight = InFlightCalls()
        self._waiter = ReplicaWaiter()
        self._listeners: list[Callable[[], object]] = []
        self._next_evaluation = 0.0
        self._pings = pings
        self.choices = dict.fromkeys(CHOICES, 0)  # how often a replica was chosen, by why
        self._apply_spec(spec)

    def configure(self, spec: RoutingSpec, *, pings: bool = False) -> None:
        """Changes the policy; the replicas' state stays, ejections are lifted."""
        with self._lock:
            if (spec, pings) != (self.spec, self._pings):
                self._pings = pings
                self._apply_spec(spec)

    def _apply_spec(self, spec: RoutingSpec) -> None:
        self.spec = spec
        self.prefix_chars = spec.prefix_chars if spec.policy == "prefix" else 0
        self._policy = create_policy(spec)
        self._ejection = OutlierEjection(spec.ejection, pings=self._pings)
        self._ejection.members(self._states)
        self._partition()

    # Used by callers.

    @property
    def size(self) -> int:
        """Number of known running replicas."""
        return len(self._states)

    @property
    def is_initialised(self) -> bool:
        """Whether a router has reported replicas. Serve creates a handle's router at its first
        call."""
        return self._waiter.known

    @property
    def replicas(self) -> frozenset[str]:
        """The known running replicas."""
        with self._lock:
            return frozenset(self._states)

    def subscribe(self, listener: Callable[[], object]) -> None:
        """Calls `listener` when replicas may have come or gone, in the thread of a router."""
        self._listeners.append(listener)

    async def await_replica(self, timeout_s: float) -> bool:
        """Waits for a replica; returns whether there is one. True at once before the first report.

        Serve does not count these waiters: scaling from zero needs a call in a handle's queue.
        """
        return bool(self._states) or await self._waiter.wait(timeout_s)

    def avoid(self, call: str, replicas: frozenset[str]) -> None:
        """Routes `call` to other replicas if there are any."""
        with self._lock:
            self._in_flight.avoid(call, replicas)

    def placed(self, call: str) -> str | None:
        """The replica that `call` was sent to; None if it is not tracked."""
        dispatch = self._in_flight.calls.get(call)
        return None if dispatch is None else dispatch.state.replica

    def was_rejected(self, call: str) -> bool:
        """Whether the last replica of `call` has rejected or ended it."""
        dispatch = self._in_flight.calls.get(call)
        return dispatch is not None and dispatch.over

    def report(self, call: str, outcome: Outcome, seconds: float) -> str | None:
        """Reports the outcome of `call` (or that it is silent so far); untracks it unless `silent`.
        Returns the replica that it was sent to; None if it is not tracked.

        `failed` is a fault of the replica, not a request that was refused for its content.
        `silent` counts once, after the spec's `silence_s`.
        """
        now = self._clock.monotonic()
        with self._lock:
            dispatch = self._in_flight.calls.get(call)
            if dispatch is None:
                self._in_flight.gone(call)
                return None
            if outcome == "silent":
                self._record_silence(dispatch, seconds, now)
            else:
                self._record_outcome(dispatch, outcome, seconds, now)
                self._in_flight.forget(dispatch)
                if self._ejected:
                    self._partition()  # the call may have been a trial
            self._evaluate(now)
        return dispatch.state.replica

    def statuses(self) -> Mapping[str, ReplicaStatus]:
        now = self._clock.monotonic()
        with self._lock:
            self._evaluate(now)
            ejected = self._ejection.out()
            statuses = {}
            for name, state in self._states.items():
                record = ejected.get(name)
                statuses[name] = ReplicaStatus(
                    replica=name,
                    node=state.node,
                    local=state.local,
                    requests=state.requests,
                    tokens=state.tokens,
                    mean_s=state.mean_s,
                    weight=state.weight,
                    ejected_for_s=max(0.0, (record.until or now) - now) if record else 0.0,
                    ejected_because=record.because if record else "",
                    elsewhere=state.elsewhere,
                )
            return statuses

    # Used by routers.

    def update(self, members: Iterable[ReplicaInfo]) -> None:
        """Sets the running replicas. Open calls of a removed replica are still tracked."""
        running = {member.replica: member for member in members}
        now = self._clock.monotonic()
        with self._lock:
            for name in self._states.keys() - running.keys():
                del self._states[name]
            for name, member in running.items():
                state = self._states.get(name)
                if state is None:
                    state = self._states[name] = ReplicaState(name, member.node, local=member.local)
                state.reported(member.stats, now)
            self._ejection.members(self._states)
            self._partition()
        self._changed()

    def lost(self, replica: str) -> None:
        """Removes a replica whose actor has died."""
        with self._lock:
            if replica in self._states:
                del self._states[replica]
                self._ejection.members(self._states)
                self._partition()
        self._changed()

    def place(self, request: RoutingRequest, reachable: Container[str]) -> Dispatch | None:
        """Selects one of the reachable replicas and counts the request there."""
        now = self._clock.monotonic()
        with self._lock:
            self._evaluate(now)
            state = self._choose(request, reachable, now)
            if state is None:
                return None
            dispatch = Dispatch(request.call, state, request.tokens, request.sequences, now)
            if request.call:
                self._in_flight.open(dispatch)
            return dispatch

    def hand_over(self, dispatch: Dispatch) -> None:
        """Takes the placement back: the call's next `place` gives the same replica."""
        with self._lock:
            self._in_flight.withdraw(dispatch)
            self._in_flight.prefer(dispatch.call, dispatch.state.replica)

    def alive(self, dispatch: Dispatch) -> None:
        """The replica has accepted the request: a sign of life."""
        dispatch.alive = True
        self._ejection.mark_alive(dispatch.state.replica, self._clock.monotonic())

    def ended(self, dispatch: Dispatch) -> None:
        """The request has ended; it is tracked a while longer for the caller's report."""
        now = self._clock.monotonic()
        with self._lock:
            self._in_flight.ended(dispatch, now)

    def refused(self, dispatch: Dispatch) -> None:
        """The replica has rejected the request; it will be dispatched to another one."""
        self.ended(dispatch)
        name, now = dispatch.state.replica, self._clock.monotonic()
        with self._lock:
            if dispatch.call:
                self._in_flight.avoid(dispatch.call, frozenset({name}))
            self._ejection.ended(name, dispatch.call, None, now)

    def to_ping(self, timeout_s: float) -> list[str]:
        """Replicas to ping within `timeout_s`; report results to `ponged`. Cheap."""
        if not self._ejected:
            return []
        with self._lock:
            return self._ejection.to_ping(self._clock.monotonic(), timeout_s)

    def ponged(self, replica: str, *, answered: bool) -> None:
        with self._lock:
            self._ejection.ponged(replica, answered, self._clock.monotonic())

    def _changed(self) -> None:
        self._waiter.notify(has_replica=bool(self._states))
        for listener in self._listeners:
            listener()

    # Called with the lock held.

    def _choose(
        self, request: RoutingRequest, reachable: Container[str], now: float
    ) -> ReplicaState | None:
        """Order of preference: the requested replica, an ejected one that is due for a trial,
        available ones, avoided ones, ejected ones."""
        preferred_name = request.replica or self._in_flight.take_preferred(request.call)
        if preferred_name and preferred_name in reachable and preferred_name in self._states:
            self.choices["named"] += 1
            return self._states[preferred_name]
        avoided = self._in_flight.avoided(request.call)
        for state in self._ejected:
            name = state.replica
            may_probe = request.call and name not in avoided and name in reachable
            if may_probe and self._ejection.probe(name, request.call, now):
                self.choices["trial"] += 1
                return state
        for states in (self._available, self._ejected):
            candidates = [state for state in states if state.replica in reachable]
            preferred = [
                state for state in candidates if state.replica not in avoided
            ] or candidates
            if preferred:
                is_only = len(preferred) == 1
                why = "ejected" if states is self._ejected else "only" if is_only else "policy"
                self.choices[why] += 1
                return preferred[0] if is_only else self._policy.order(preferred, request, now)[0]
        return None

    def _evaluate(self, now: float) -> None:
        if now < self._next_evaluation or len(self._states) < 2:
            return
        self._next_evaluation = now + _EVALUATION_INTERVAL_S
        self._ejection.evaluate(
            {name: state.open.values() for name, state in self._states.items()}, now
        )
        self._partition()

    def _partition(self) -> None:
        ejected = self._ejection.out()
        self._available = [state for name, state in self._states.items() if name not in ejected]
        self._ejected = [state for name, state in self._states.items() if name in ejected]

    def _record_outcome(
        self, dispatch: Dispatch, outcome: Outcome, seconds: float, now: float
    ) -> None:
        name, call = dispatch.state.replica, dispatch.call
        if outcome == "gone" or dispatch.condemned:
            self._ejection.gave_up(name, call)
        elif outcome == "ok":
            dispatch.state.answered(seconds, now)
            self._ejection.mark_alive(name, now)
            self._ejection.ended(name, call, seconds, now)
        else:
            self._ejection.ended(name, call, None, now)

    def _record_silence(self, dispatch: Dispatch, seconds: float, now: float) -> None:
        if seconds >= self.spec.ejection.silence_s and not dispatch.condemned:
            dispatch.condemned, self._next_evaluation = True, 0.0
            self._ejection.ended(dispatch.state.replica, dispatch.call, None, now)


_replica_sets: dict[str, ReplicaSet] = {}
_creation_lock = Lock()


def replica_set(deployment: str) -> ReplicaSet:
    """The ReplicaSet of a deployment in this process, created on first use."""
    with _creation_lock:
        instance = _replica_sets.get(deployment)
        if instance is None:
            instance = _replica_sets[deployment] = ReplicaSet(RoutingSpec(), SystemClock())
        return instance
