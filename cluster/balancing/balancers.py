"""Ways to spread requests over replicas. Pure: no clock, no I/O, no lock.

Flows in: the replicas that may be chosen, at least one, and what is asked. Flows out: all of them,
the first choice first and the fallbacks after it. Equal ones take turns.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from cluster.balancing.replica_state import ReplicaState
from cluster.balancing.request_info import RoutingRequest
from cluster.balancing.spec import ChooserName, RoutingSpec

_MASK = (1 << 64) - 1


class BalancingPolicy(Protocol):
    """Keeps whose turn it is, nothing else. `now` is on the clock that the seats were told."""

    def order(
        self, seats: Sequence[ReplicaState], ask: RoutingRequest, now: float
    ) -> list[ReplicaState]: ...


class _Turns:
    """Who is first among equals moves on by one at each choice."""

    def __init__(self, local: bool) -> None:
        """`local`: replicas of the caller's node are first among equals."""
        self._local = local
        self._turn = -1

    def _rotated(self, seats: Sequence[ReplicaState]) -> list[ReplicaState]:
        self._turn += 1
        start = self._turn % len(seats)
        return [*seats[start:], *seats[:start]]


class RoundRobin(_Turns):
    """One after the other; those of the caller's node while they are not busier than the rest."""

    def order(
        self, seats: Sequence[ReplicaState], ask: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        found = self._rotated(seats)
        if self._local:
            least = min((seat.load for seat in seats if not seat.local), default=None)
            if least is not None:
                found.sort(key=lambda seat: not (seat.local and seat.load <= least))
        return found


class LeastRequests(_Turns):
    def order(
        self, seats: Sequence[ReplicaState], ask: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        found = self._rotated(seats)
        if self._local:
            found.sort(key=lambda seat: (seat.load, not seat.local))
        else:
            found.sort(key=lambda seat: seat.load)
        return found


class LeastTokens(_Turns):
    def order(
        self, seats: Sequence[ReplicaState], ask: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        found = self._rotated(seats)
        found.sort(key=lambda seat: (seat.tokens, seat.load, self._local and not seat.local))
        return found


class LeastTime(_Turns):
    """Response time x requests that it would have, as in Finagle's and Linkerd's PeakEwma.

    A replica whose time is not known yet counts as the fastest one known.
    """

    def order(
        self, seats: Sequence[ReplicaState], ask: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        times = {seat.replica: seat.peak_s(now) for seat in seats}
        fastest = min((time for time in times.values() if time is not None), default=1.0)

        def cost(seat: ReplicaState) -> tuple[float, int, bool]:
            time = times[seat.replica]
            busy = seat.load + 1
            return (fastest if time is None else time) * busy, busy, self._local and not seat.local

        found = self._rotated(seats)
        found.sort(key=cost)
        return found


class Weighted:
    """Smooth weighted round robin, as nginx does it: no burst at the heaviest.

    A replica's share is its weight x the speed that it reports, against the mean of those known.
    All of weight 0 count the same. Node and load do not matter: weights say it all.
    """

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def order(
        self, seats: Sequence[ReplicaState], ask: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        weights = _shares(seats)
        credit = {
            seat.replica: self._credit.get(seat.replica, 0.0) + weights[seat.replica]
            for seat in seats
        }
        found = sorted(seats, key=lambda seat: (weights[seat.replica] == 0, -credit[seat.replica]))
        credit[found[0].replica] -= sum(weights.values())
        self._credit = credit
        return found


class Prefix:
    """Equal beginnings to one replica, so that its cache of them is warm.

    Rendezvous hashing (Thaler and Ravishankar, 1998) says who has a beginning; with bounded loads
    (Mirrokni, Thorup and Zadimoghaddam, 2016) the next one takes it while the first has
    `bound` times the mean load, this request included. Requests without a beginning go where
    there is least to do.
    """

    def __init__(self, bound: float, otherwise: BalancingPolicy) -> None:
        self._bound = bound
        self._otherwise = otherwise

    def order(
        self, seats: Sequence[ReplicaState], ask: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        if not ask.key:
            return self._otherwise.order(seats, ask, now)
        most = math.ceil(self._bound * (sum(seat.load for seat in seats) + 1) / len(seats))
        key = ask.key
        return sorted(seats, key=lambda seat: (seat.load >= most, -mix64(key ^ seat.hash)))


def mix64(value: int) -> int:
    """The finalizer of MurmurHash3: every bit of it depends on every bit of `value`."""
    value = ((value ^ (value >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    value = ((value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return value ^ (value >> 33)


def _shares(seats: Sequence[ReplicaState]) -> dict[str, float]:
    speeds = [seat.speed for seat in seats if seat.speed is not None]
    mean = sum(speeds) / len(speeds) if speeds else 1.0
    found = {seat.replica: seat.weight * (seat.speed or mean) / mean for seat in seats}
    return found if any(found.values()) else dict.fromkeys(found, 1.0)


_CHOOSERS: dict[ChooserName, Callable[[RoutingSpec], BalancingPolicy]] = {
    "round-robin": lambda spec: RoundRobin(spec.local),
    "weighted": lambda spec: Weighted(),
    "least-requests": lambda spec: LeastRequests(spec.local),
    "least-tokens": lambda spec: LeastTokens(spec.local),
    "least-time": lambda spec: LeastTime(spec.local),
    "prefix": lambda spec: Prefix(spec.load_bound, LeastRequests(spec.local)),
}


def chooser_of(spec: RoutingSpec) -> BalancingPolicy:
    return _CHOOSERS[spec.policy](spec)
