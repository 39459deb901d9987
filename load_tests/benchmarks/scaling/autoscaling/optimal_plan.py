"""The smallest plan of replicas over time that attains an objective, by one who knows the trace.

Flows in: a trace, a machine, an objective. Flows out: a plan and its outcome.

How it is found: with as many slots as anyone could want, each second has so many open requests.
Layer k of that demand, the part between k and k + 1 replicas' slots, is what the k-th replica
would carry; it is on while there is any, a pause shorter than a cold start is not worth a restart,
and it is asked for one cold start early. That plan keeps nobody waiting. Then the spells that carry
the least for what they cost are left out, as many as the objective bears (bisection on simulated
runs), for demand averaged over several spans (a request may wait a little) and the cheapest
plan wins. It is a plan that works, so the true optimum is no dearer; `busy_hours`, the work
itself without an idle slot, bounds it from below.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from load_tests.benchmarks.scaling.autoscaling.simulated_replicas import ReplicaProfile
from load_tests.benchmarks.scaling.autoscaling.simulator import (
    ObservedMetrics,
    ScalingOutcome,
    simulate,
)
from load_tests.benchmarks.scaling.autoscaling.traces import HOUR, Trace

Array = npt.NDArray[np.float64]
_SPANS_S = (1, 5, 15, 40)
_SPARE = (0.5, 1.0)  # replicas more, where nearly nobody may wait
_ROUNDS = 9


@dataclass(frozen=True)
class BusySpan:
    """The `layer`-th replica is needed from `start` to `end`, and is busy `share` of that."""

    layer: int
    start: int
    end: int
    share: float


class PlannedController:
    """A controller that follows a plan, made in seconds of the trace."""

    def __init__(self, replicas: Any) -> None:
        self._replicas = replicas

    def target(self, at: float, target: int, ready: int, seen: ObservedMetrics) -> int:
        return int(self._replicas[min(int(at), len(self._replicas) - 1)])


def find_optimum(
    trace: Trace, machine: ReplicaProfile, tick_s: float, slo_s: float, objective: float
) -> ScalingOutcome | None:
    """The cheapest plan found that attains `objective`; None if none does."""
    load = compute_demand(trace, machine)
    averaged = [_mean(load, span) for span in _SPANS_S]
    spared = [load + spare * machine.slots for spare in _SPARE]
    attaining: list[ScalingOutcome] = []
    for loads in (averaged, spared):
        outcomes = [_cheapest(trace, machine, tick_s, slo_s, objective, each) for each in loads]
        attaining = [outcome for outcome in outcomes if outcome]
        if attaining:
            break
    return min(attaining, key=lambda outcome: outcome.replica_hours, default=None)


def compute_demand(trace: Trace, machine: ReplicaProfile) -> Array:
    """Open requests in each second, if none had to wait; the mean of the second."""
    _, service = machine.services(trace)
    starts, ends = trace.arrivals, trace.arrivals + service
    seconds = np.arange(int(trace.length_s) + 1, dtype=float)
    served = _integral(seconds, starts) - _integral(seconds, ends)
    return np.diff(served)


def compute_busy_hours(trace: Trace, machine: ReplicaProfile) -> float:
    """Replica-hours of pure work in the counted time."""
    counted = compute_demand(trace, machine)[int(trace.counted_from) :]
    return float(counted.sum()) / machine.slots / HOUR


def find_busy_spans(load: Array, machine: ReplicaProfile) -> Iterator[BusySpan]:
    """When each layer is needed, pauses shorter than a cold start included."""
    slots, pause = machine.slots, int(machine.cold_start_s)
    for layer in range(int(np.ceil(load.max() / slots))):
        carried = np.clip(load - layer * slots, 0, slots)
        on = np.flatnonzero(carried > 0)
        breaks = np.flatnonzero(np.diff(on) > pause)
        starts = on[np.concatenate(([0], breaks + 1))]
        ends = on[np.concatenate((breaks, [len(on) - 1]))] + 1
        sums = np.concatenate(([0.0], np.cumsum(carried)))
        for start, end in zip(starts, ends, strict=True):
            paid = end - start + pause
            yield BusySpan(layer, start, end, (sums[end] - sums[start]) / slots / paid)


def _cheapest(
    trace: Trace,
    machine: ReplicaProfile,
    tick_s: float,
    slo_s: float,
    objective: float,
    load: Array,
) -> ScalingOutcome | None:
    """Leave out as many spells as possible, the least used first."""
    ordered = sorted(find_busy_spans(load, machine), key=lambda span: span.share)

    def run(left_out: int) -> ScalingOutcome:
        plan = PlannedController(_replicas(ordered[left_out:], len(load), machine))
        return simulate(trace, machine, plan, tick_s, slo_s)

    best = run(0)
    if best.attained < objective:
        return None
    low, high = 0, len(ordered)
    for _ in range(_ROUNDS):
        middle = (low + high) // 2
        tried = run(middle)
        if tried.attained >= objective:
            low, best = middle, tried
        else:
            high = middle
    return best


def _replicas(spans: list[BusySpan], seconds: int, machine: ReplicaProfile) -> Any:
    """Replicas to ask for in each second: of every layer from one cold start early."""
    changes = np.zeros(seconds + 1, np.int64)
    for span in spans:
        changes[max(0, span.start - int(machine.cold_start_s) - 1)] += 1
        changes[min(seconds, span.end)] -= 1
    return np.maximum(1, np.cumsum(changes))


def _integral(seconds: Array, events: Array) -> Array:
    """For each moment, the time since each event before it, added up."""
    ordered = np.sort(events)
    before = np.searchsorted(ordered, seconds)
    sums = np.concatenate(([0.0], np.cumsum(ordered)))
    return seconds * before - sums[before]


def _mean(load: Array, span: int) -> Array:
    return np.convolve(load, np.ones(span) / span, mode="same") if span > 1 else load
