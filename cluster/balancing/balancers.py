"""Load balancing policies. Pure: no clock, no I/O, no lock.

In: the candidate replicas, at least one, and the request. Out: all of them in order of preference.
Equal ones take turns.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from cluster.balancing.replica_state import ReplicaState
from cluster.balancing.request_info import RoutingRequest
from cluster.balancing.spec import PolicyName, RoutingSpec

_MASK = (1 << 64) - 1


class BalancingPolicy(Protocol):
    """Orders replicas by preference. `now` is of the clock that the states use."""

    def order(
        self, states: Sequence[ReplicaState], request: RoutingRequest, now: float
    ) -> list[ReplicaState]: ...


class _Rotation:
    """Rotates the order of equal replicas with each choice."""

    def __init__(self, local: bool) -> None:
        """`local`: among equals, replicas of the caller's node come first."""
        self._local = local
        self._turn = -1

    def _rotate(self, states: Sequence[ReplicaState]) -> list[ReplicaState]:
        self._turn += 1
        start = self._turn % len(states)
        return [*states[start:], *states[:start]]


class RoundRobin(_Rotation):
    """Round robin; prefers the caller's node while its replicas are not busier than the rest."""

    def order(
        self, states: Sequence[ReplicaState], request: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        ordered = self._rotate(states)
        if self._local:
            least = min((state.load for state in states if not state.local), default=None)
            if least is not None:
                ordered.sort(key=lambda state: not (state.local and state.load <= least))
        return ordered


class LeastRequests(_Rotation):
    def order(
        self, states: Sequence[ReplicaState], request: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        ordered = self._rotate(states)
        if self._local:
            ordered.sort(key=lambda state: (state.load, not state.local))
        else:
            ordered.sort(key=lambda state: state.load)
        return ordered


class LeastTokens(_Rotation):
    def order(
        self, states: Sequence[ReplicaState], request: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        ordered = self._rotate(states)
        ordered.sort(key=lambda state: (state.tokens, state.load, self._local and not state.local))
        return ordered


class LeastTime(_Rotation):
    """Response time x outstanding requests, as in Finagle's and Linkerd's PeakEwma.

    A replica with an unknown time counts as the fastest known one.
    """

    def order(
        self, states: Sequence[ReplicaState], request: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        times = {state.replica: state.peak_s(now) for state in states}
        fastest = min((time for time in times.values() if time is not None), default=1.0)

        def cost(state: ReplicaState) -> tuple[float, int, bool]:
            time = times[state.replica]
            busy = state.load + 1
            return (fastest if time is None else time) * busy, busy, self._local and not state.local

        ordered = self._rotate(states)
        ordered.sort(key=cost)
        return ordered


class Weighted:
    """Smooth weighted round robin, as in nginx: no burst at the replica with the largest weight.

    A replica's share is its weight x its reported speed relative to the mean of the known ones.
    If all weights are 0, they are equal. Node and load are ignored.
    """

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def order(
        self, states: Sequence[ReplicaState], request: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        weights = _share_weights(states)
        credit = {
            state.replica: self._credit.get(state.replica, 0.0) + weights[state.replica]
            for state in states
        }
        ordered = sorted(
            states, key=lambda state: (weights[state.replica] == 0, -credit[state.replica])
        )
        credit[ordered[0].replica] -= sum(weights.values())
        self._credit = credit
        return ordered


class Prefix:
    """Prefix affinity: requests with equal prefixes go to one replica with a warm prefix cache.

    Rendezvous hashing (Thaler and Ravishankar, 1998) selects the replica of a prefix. Bounded
    loads (Mirrokni, Thorup and Zadimoghaddam, 2016): the next replica is used while the first has
    `bound` times the mean load, this request included. Requests without a key use `fallback`.
    """

    def __init__(self, bound: float, fallback: BalancingPolicy) -> None:
        self._bound = bound
        self._fallback = fallback

    def order(
        self, states: Sequence[ReplicaState], request: RoutingRequest, now: float
    ) -> list[ReplicaState]:
        if not request.key:
            return self._fallback.order(states, request, now)
        load_limit = math.ceil(
            self._bound * (sum(state.load for state in states) + 1) / len(states)
        )
        key = request.key
        return sorted(
            states, key=lambda state: (state.load >= load_limit, -mix64(key ^ state.hash))
        )


def mix64(value: int) -> int:
    """The finalizer of MurmurHash3: every bit of it depends on every bit of `value`."""
    value = ((value ^ (value >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    value = ((value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return value ^ (value >> 33)


def _share_weights(states: Sequence[ReplicaState]) -> dict[str, float]:
    speeds = [state.speed for state in states if state.speed is not None]
    mean = sum(speeds) / len(speeds) if speeds else 1.0
    weights = {state.replica: state.weight * (state.speed or mean) / mean for state in states}
    return weights if any(weights.values()) else dict.fromkeys(weights, 1.0)


_POLICIES: dict[PolicyName, Callable[[RoutingSpec], BalancingPolicy]] = {
    "round-robin": lambda spec: RoundRobin(spec.local),
    "weighted": lambda spec: Weighted(),
    "least-requests": lambda spec: LeastRequests(spec.local),
    "least-tokens": lambda spec: LeastTokens(spec.local),
    "least-time": lambda spec: LeastTime(spec.local),
    "prefix": lambda spec: Prefix(spec.load_bound, LeastRequests(spec.local)),
}


def create_policy(spec: RoutingSpec) -> BalancingPolicy:
    return _POLICIES[spec.policy](spec)
