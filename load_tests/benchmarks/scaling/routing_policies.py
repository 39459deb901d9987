"""Ways to spread requests in the simulation: the product's own Fleet, and Serve's power of two.

Flows in: requests, and what becomes of them. Flows out: the replica for each. Serve's is rebuilt
from its rules: two at random, the one that it believes to have fewer open requests.
"""

from collections.abc import Sequence
from random import Random

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.replica_state import Dispatch, ReplicaInfo
from cluster.balancing.request_info import RoutingRequest
from cluster.balancing.spec import RoutingSpec
from cluster.runtime.clock import ManualClock
from load_tests.benchmarks.scaling.routing_simulation import (
    BEGINNINGS,
    SLOTS,
    TOKENS_PER_S,
    SimulatedReplica,
    SimulatedRequest,
)


class PowerOfTwo:
    """Serve's default. It waits for a replica that it has sent a request to."""

    def __init__(self, names: Sequence[str], random: Random) -> None:
        self._known = dict.fromkeys(names, 0)
        self._random = random

    def send(self, request: SimulatedRequest) -> str:
        two = self._random.sample(list(self._known), 2)
        name = min(two, key=self._known.__getitem__)
        self._known[name] += 1
        return name

    def accepted(self, request: SimulatedRequest, name: str, held: int) -> None:
        self._known[name] = held

    def answered(self, request: SimulatedRequest, name: str, seconds: float) -> None:
        self._known[name] = max(0, self._known[name] - 1)

    def reported(self, replicas: Sequence[SimulatedReplica]) -> None: ...

    def gives_up(self, request: SimulatedRequest, age_s: float) -> bool:
        return False


class ProductPolicy:
    """Ours, with what resilience does about silence: the next attempt goes elsewhere."""

    def __init__(self, names: Sequence[str], spec: RoutingSpec, clock: ManualClock) -> None:
        self._names = names
        self.fleet = ReplicaSet(spec, clock)
        self._placed: dict[str, Dispatch] = {}
        self._random = Random(0)
        self._keys = [self._random.getrandbits(64) for _ in range(BEGINNINGS)]
        self.reported([])

    def send(self, request: SimulatedRequest) -> str:
        key = self._keys[request.beginning]
        placement = self.fleet.place(
            RoutingRequest(request.call, request.prompt + request.answer, key), self._names
        )
        assert placement is not None
        self._placed[request.call] = placement
        return placement.state.replica

    def accepted(self, request: SimulatedRequest, name: str, held: int) -> None:
        self.fleet.alive(self._placed[request.call])

    def answered(self, request: SimulatedRequest, name: str, seconds: float) -> None:
        self.fleet.report(request.call, "ok", seconds)
        self.fleet.ended(self._placed.pop(request.call))

    def reported(self, replicas: Sequence[SimulatedReplica]) -> None:
        stats = {each.name: _stats(each) for each in replicas}
        self.fleet.update(ReplicaInfo(name, stats=stats.get(name, {})) for name in self._names)

    def gives_up(self, request: SimulatedRequest, age_s: float) -> bool:
        if request.accepted or age_s < self.fleet.spec.ejection.silence_s:
            return False
        call = request.call
        self.fleet.report(call, "silent", age_s)
        self.fleet.ended(placement := self._placed.pop(call))
        self.fleet.report(call, "failed", age_s)
        request.attempt += 1
        self.fleet.avoid(request.call, frozenset({placement.state.replica}))
        return True


def _stats(replica: SimulatedReplica) -> dict[str, float]:
    free = max(0, SLOTS - replica.held) / SLOTS
    speed = TOKENS_PER_S * replica.pace
    return {"running": replica.running, "queued": len(replica.queue), "free": free, "speed": speed}
