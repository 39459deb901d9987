"""What this process knows of one deployment's replicas: the seam between routers and callers.

A router (in the handle) tells who is there, where it sends a request and when that ended; the
caller tells how it went; choosers and the ejection read both. One `ReplicaSet` a deployment and
process: `replica_set(name)`. Knows neither Serve nor HTTP.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from cluster.balancing.balancers import chooser_of
from cluster.balancing.ejection import OutlierEjection
from cluster.balancing.in_flight import InFlightCalls
from cluster.balancing.replica_state import Dispatch, ReplicaInfo, ReplicaState
from cluster.balancing.replica_waiter import ReplicaWaiter
from cluster.balancing.request_info import RoutingRequest
from cluster.balancing.spec import RoutingSpec
from cluster.runtime.clock import Clock, SystemClock

Outcome = Literal["ok", "failed", "silent", "gone"]  # silent: no sign of life; gone: nobody waits

_JUDGED_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """One replica as this process sees it. Times in seconds; None: not known yet.

    `requests` and `tokens` are what this process has outstanding there, `elsewhere` the requests
    that other callers seem to have.
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
    """Thread-safe: under the plain profile routers run on a loop of their own.

    `call` is the id of one attempt (unique in the process), carried by the request that is sent as
    `call` (or as `request_id`, where it has none).
    """

    def __init__(self, spec: RoutingSpec, clock: Clock, *, pings: bool = False) -> None:
        """`pings`: the router asks `to_ping` and tells `ponged`.

        Of requests the first `prefix_chars` characters matter to the policy.
        """
        self._clock = clock
        self._lock = Lock()
        self._seats: dict[str, ReplicaState] = {}
        self._in: list[ReplicaState] = []
        self._out: list[ReplicaState] = []
        self._book = InFlightCalls()
        self._arrivals = ReplicaWaiter()
        self._judge_at = 0.0
        self._pings = pings
        self._configured(spec)

    def configure(self, spec: RoutingSpec, *, pings: bool = False) -> None:
        """Change the policy; what is known of the replicas stays, ejections are lifted."""
        with self._lock:
            if (spec, pings) != (self.spec, self._pings):
                self._pings = pings
                self._configured(spec)

    def _configured(self, spec: RoutingSpec) -> None:
        self.spec = spec
        self.prefix_chars = spec.prefix_chars if spec.policy == "prefix" else 0
        self._chooser = chooser_of(spec)
        self._ejection = OutlierEjection(spec.ejection, pings=self._pings)
        self._ejection.members(self._seats)
        self._sort()

    # What callers use.

    @property
    def size(self) -> int:
        """Running replicas that are known; 0 until the first is."""
        return len(self._seats)

    @property
    def is_initialised(self) -> bool:
        """Whether any router has said yet who is there. Serve makes a handle's router at the
        handle's first call."""
        return self._arrivals.known

    async def await_replica(self, timeout_s: float) -> bool:
        """Whether one is there within that time; True at once while nobody knows.

        Serve does not see this waiting: what scales from zero needs a call in a handle's queue.
        """
        return bool(self._seats) or await self._arrivals.wait(timeout_s)

    def avoid(self, call: str, replicas: frozenset[str]) -> None:
        """Send `call` elsewhere if there is an elsewhere."""
        with self._lock:
            self._book.avoid(call, replicas)

    def placed(self, call: str) -> str | None:
        """The replica that `call` was sent to; None before that, and once it is forgotten."""
        placement = self._book.calls.get(call)
        return None if placement is None else placement.seat.replica

    def was_rejected(self, call: str) -> bool:
        """Whether the replica that `call` was sent to last has not taken it, or is done with it."""
        placement = self._book.calls.get(call)
        return placement is not None and placement.over

    def report(self, call: str, outcome: Outcome, seconds: float) -> None:
        """How `call` ended (or that it has not answered so far); forgets it unless `silent`.

        `failed` is what the replica is to blame for, never a request that is refused rightly.
        `silent` counts once, and from the spec's `silence_s` on.
        """
        now = self._clock.monotonic()
        with self._lock:
            placement = self._book.calls.get(call)
            if placement is None:
                self._book.gone(call)
                return
            if outcome == "silent":
                self._silent(placement, seconds, now)
            else:
                self._learn(placement, outcome, seconds, now)
                self._book.forget(placement)
                if self._out:
                    self._sort()  # it may have been a trial
            self._judge(now)

    def standings(self) -> Mapping[str, ReplicaStatus]:
        now = self._clock.monotonic()
        with self._lock:
            self._judge(now)
            out = self._ejection.out()
            found = {}
            for name, seat in self._seats.items():
                record = out.get(name)
                found[name] = ReplicaStatus(
                    replica=name,
                    node=seat.node,
                    local=seat.local,
                    requests=seat.requests,
                    tokens=seat.tokens,
                    mean_s=seat.mean_s,
                    weight=seat.weight,
                    ejected_for_s=max(0.0, (record.until or now) - now) if record else 0.0,
                    ejected_because=record.because if record else "",
                    elsewhere=seat.elsewhere,
                )
            return found

    # What routers use.

    def update(self, members: Iterable[ReplicaInfo]) -> None:
        """Who is running now. Of one that leaves, the open calls are followed to their end."""
        found = {member.replica: member for member in members}
        now = self._clock.monotonic()
        with self._lock:
            for name in self._seats.keys() - found.keys():
                del self._seats[name]
            for name, member in found.items():
                seat = self._seats.get(name)
                if seat is None:
                    seat = self._seats[name] = ReplicaState(name, member.node, local=member.local)
                seat.reported(member.stats, now)
            self._ejection.members(self._seats)
            self._sort()
        self._arrivals.tell(there=bool(found))

    def lost(self, replica: str) -> None:
        """It is dead, whatever is said later."""
        with self._lock:
            if replica in self._seats:
                del self._seats[replica]
                self._ejection.members(self._seats)
                self._sort()
        self._arrivals.tell(there=bool(self._seats))

    def place(self, ask: RoutingRequest, reachable: Container[str]) -> Dispatch | None:
        """Choose a replica among those that the router reaches, and count the request there."""
        now = self._clock.monotonic()
        with self._lock:
            self._judge(now)
            seat = self._choose(ask, reachable, now)
            if seat is None:
                return None
            placement = Dispatch(ask.call, seat, ask.tokens, ask.sequences, now)
            if ask.call:
                self._book.open(placement)
            return placement

    def alive(self, placement: Dispatch) -> None:
        """The replica has taken it: a sign of life."""
        placement.alive = True
        self._ejection.mark_alive(placement.seat.replica, self._clock.monotonic())

    def ended(self, placement: Dispatch) -> None:
        """Nothing more comes of it. Kept for a moment, for the caller's report."""
        now = self._clock.monotonic()
        with self._lock:
            self._book.ended(placement, now)

    def refused(self, placement: Dispatch) -> None:
        """The replica did not take it; it is about to be placed elsewhere."""
        self.ended(placement)
        name, now = placement.seat.replica, self._clock.monotonic()
        with self._lock:
            if placement.call:
                self._book.avoid(placement.call, frozenset({name}))
            self._ejection.ended(name, placement.call, None, now)

    def to_ping(self, timeout_s: float) -> list[str]:
        """Replicas to be asked for a sign of life within that time; tell `ponged`. Cheap."""
        if not self._out:
            return []
        with self._lock:
            return self._ejection.to_ping(self._clock.monotonic(), timeout_s)

    def ponged(self, replica: str, *, answered: bool) -> None:
        with self._lock:
            self._ejection.ponged(replica, answered, self._clock.monotonic())

    # All of these hold the lock.

    def _choose(
        self, ask: RoutingRequest, reachable: Container[str], now: float
    ) -> ReplicaState | None:
        """The first of: a replica that is to show itself, those in use, those to be avoided for
        this call, those that are out. Before all, the one that the request is meant for."""
        if ask.replica and ask.replica in reachable and ask.replica in self._seats:
            return self._seats[ask.replica]
        avoided = self._book.avoided(ask.call)
        for seat in self._out:
            name = seat.replica
            free = ask.call and name not in avoided and name in reachable
            if free and self._ejection.probe(name, ask.call, now):
                return seat
        for seats in (self._in, self._out):
            found = [seat for seat in seats if seat.replica in reachable]
            wanted = [seat for seat in found if seat.replica not in avoided] or found
            if wanted:
                return wanted[0] if len(wanted) == 1 else self._chooser.order(wanted, ask, now)[0]
        return None

    def _judge(self, now: float) -> None:
        if now < self._judge_at or len(self._seats) < 2:
            return
        self._judge_at = now + _JUDGED_EVERY_S
        self._ejection.evaluate(
            {name: seat.open.values() for name, seat in self._seats.items()}, now
        )
        self._sort()

    def _sort(self) -> None:
        out = self._ejection.out()
        self._in = [seat for name, seat in self._seats.items() if name not in out]
        self._out = [seat for name, seat in self._seats.items() if name in out]

    def _learn(self, placement: Dispatch, outcome: Outcome, seconds: float, now: float) -> None:
        name, call = placement.seat.replica, placement.call
        if outcome == "gone" or placement.condemned:
            self._ejection.gave_up(name, call)
        elif outcome == "ok":
            placement.seat.answered(seconds, now)
            self._ejection.mark_alive(name, now)
            self._ejection.ended(name, call, seconds, now)
        else:
            self._ejection.ended(name, call, None, now)

    def _silent(self, placement: Dispatch, seconds: float, now: float) -> None:
        if seconds >= self.spec.ejection.silence_s and not placement.condemned:
            placement.condemned, self._judge_at = True, 0.0
            self._ejection.ended(placement.seat.replica, placement.call, None, now)


_fleets: dict[str, ReplicaSet] = {}
_making = Lock()


def replica_set(deployment: str) -> ReplicaSet:
    """The one of that name in this process; there are as many as configured models."""
    with _making:
        fleet = _fleets.get(deployment)
        if fleet is None:
            fleet = _fleets[deployment] = ReplicaSet(RoutingSpec(), SystemClock())
        return fleet
