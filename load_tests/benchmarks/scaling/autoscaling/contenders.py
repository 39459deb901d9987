"""Who decides: our policies as Serve runs them, and Ray's default.

Flows in: simulated time and load. Flows out: targets.
"""

import math

from cluster.autoscaling.decision import Bounds
from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.scaler import Scaler
from cluster.autoscaling.spec import ScalingSpec
from load_tests.benchmarks.scaling.autoscaling.simulated_replicas import ReplicaProfile
from load_tests.benchmarks.scaling.autoscaling.simulator import ObservedMetrics

NO_BOUNDS = Bounds()
LOOK_BACK_S, PUSH_S = 5.0, 1.0  # as graphs/options.py sets them


class OurPolicies:
    """cluster.autoscaling's Scaler, as ModelPolicy runs it, on what Serve would tell it. How long a
    cold start takes it has to find out."""

    def __init__(self, spec: ScalingSpec, machine: ReplicaProfile) -> None:
        self._scaler = Scaler("model", spec)
        self._machine = machine

    def target(self, at: float, target: int, ready: int, metrics: ObservedMetrics) -> int:
        reading = MetricsSnapshot(
            at=at,
            target=target,
            ready=ready,
            requests=metrics.requests(LOOK_BACK_S, PUSH_S),
            tokens=metrics.tokens(LOOK_BACK_S, PUSH_S),
            tokens_each=float(self._machine.tokens),
        )
        return self._scaler.decide(reading, NO_BOUNDS).target


class RayDefault:
    """Ray Serve 2.60's default policy: ready replicas times open requests over the target of each,
    rounded up; followed once that has been wanted for 30 s (up) or 600 s (down) without a break.
    Callers report every 10 s; the mean of the last 30 s counts.
    """

    def __init__(
        self,
        target_requests: float,
        least: int,
        most: int,
        up_s: float = 30.0,
        down_s: float = 600.0,
        look_back_s: float = 30.0,
        push_s: float = 10.0,
    ) -> None:
        self._each = target_requests
        self._bounds = least, most
        self._up_s, self._down_s = up_s, down_s
        self._look_back_s, self._push_s = look_back_s, push_s
        self._pushed = -math.inf
        self._load = 0.0
        self._direction, self._since = 0, 0.0

    def target(self, at: float, target: int, ready: int, metrics: ObservedMetrics) -> int:
        if at - self._pushed >= self._push_s:
            self._pushed, self._load = at, metrics.requests(self._look_back_s)
        wanted = math.ceil(self._load / self._each) if ready else target
        direction = (wanted > target) - (wanted < target)
        if direction != self._direction:
            self._direction, self._since = direction, at
        delay_s = self._up_s if direction > 0 else self._down_s
        if not direction or at - self._since < delay_s:
            return target
        self._direction = 0
        least, most = self._bounds
        return min(most, max(least, max(1, wanted)))
