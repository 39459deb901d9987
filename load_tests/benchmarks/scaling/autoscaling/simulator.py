"""One trace, one contender, simulated time: what it cost and whom it kept waiting.

Flows in: a trace, a machine and a controller, which is asked for a target at every tick. Flows
out: an Outcome.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from load_tests.benchmarks.scaling.autoscaling.simulated_replicas import (
    OPEN_S,
    REPLICA_S,
    TOKEN_S,
    ReplicaProfile,
    SimulatedReplicas,
)
from load_tests.benchmarks.scaling.autoscaling.traces import HOUR, Trace

Array = npt.NDArray[np.float64]


class ObservedMetrics:
    """What may be known of the load: means of open requests and of their tokens until now."""

    def __init__(self, ticks: int, tick_s: float) -> None:
        self._tick_s = tick_s
        self._requests = np.zeros(ticks + 1)
        self._tokens = np.zeros(ticks + 1)
        self._at = 0

    def note(self, sums: Array) -> None:
        self._at += 1
        self._requests[self._at], self._tokens[self._at] = sums[OPEN_S], sums[TOKEN_S]

    def requests(self, over_s: float, until_s: float = 0.0) -> float:
        """The mean of `over_s` seconds, which ended `until_s` seconds ago."""
        return self._mean(self._requests, over_s, until_s)

    def tokens(self, over_s: float, until_s: float = 0.0) -> float:
        return self._mean(self._tokens, over_s, until_s)

    def _mean(self, sums: Array, over_s: float, until_s: float) -> float:
        end = max(0, self._at - round(until_s / self._tick_s))
        start = max(0, end - max(1, round(over_s / self._tick_s)))
        return float(sums[end] - sums[start]) / max(1, end - start) / self._tick_s


class Controller(Protocol):
    def target(self, at: float, target: int, ready: int, metrics: ObservedMetrics) -> int:
        """Replicas to ask for, at `at` seconds of the trace."""
        ...


@dataclass(frozen=True)
class ScalingOutcome:
    """`attained` is the share of requests whose first token came in time; `ready` and `targets`
    are replicas at every tick of the counted time."""

    attained: float
    replica_hours: float
    flips: int
    targets: Any
    ready: Any


def simulate(
    trace: Trace,
    machine: ReplicaProfile,
    controller: Controller,
    tick_s: float,
    slo_s: float,
    start: int = 4,
) -> ScalingOutcome:
    """Run the whole trace from `start` replicas on; only what is after `counted_from` counts."""
    replicas = SimulatedReplicas(trace, machine, replicas=start)
    ticks = int(trace.length_s / tick_s)
    metrics, target, paid_before = ObservedMetrics(ticks, tick_s), start, 0.0
    targets, ready = np.empty(ticks), np.empty(ticks)
    for tick in range(ticks):
        at = (tick + 1) * tick_s
        replicas.advance(at)
        metrics.note(replicas.sums)
        up = replicas.ready
        target = controller.target(at, target, up, metrics)
        replicas.scale_to(target)
        targets[tick], ready[tick] = target, up
        if at <= trace.counted_from:
            paid_before = float(replicas.sums[REPLICA_S])
    counted = slice(int(trace.counted_from / tick_s), None)
    return ScalingOutcome(
        attained(trace, replicas, slo_s),
        (float(replicas.sums[REPLICA_S]) - paid_before) / HOUR,
        count_flips(targets[counted]),
        targets[counted],
        ready[counted],
    )


def attained(trace: Trace, replicas: SimulatedReplicas, slo_s: float) -> float:
    """Of the requests that were counted; one that never started missed."""
    counted = trace.arrivals >= trace.counted_from
    return float(np.mean((replicas.waits + replicas.first)[counted] <= slo_s))


def count_flips(targets: Array) -> int:
    """How often the direction of change turned round."""
    steps = np.sign(np.diff(targets))
    steps = steps[steps != 0]
    return int(np.sum(steps[1:] != steps[:-1]))
