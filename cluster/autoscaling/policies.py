"""How many replicas one figure calls for: a pure function for each policy that a spec may name.

Flows in: a Reading and the spec. Flows out: replicas, as a fraction; NaN where the figure is not
known. When and by how much the fleet follows is the Governor's business.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.spec import ScalingSpec, Window

Policy = Callable[[MetricsSnapshot, ScalingSpec], float]

_WIDEST = 2.0  # one reading of a latency says little of how far to go


def by_queue(reading: MetricsSnapshot, spec: ScalingSpec) -> float:
    """Every open request, served or waiting, has its place."""
    return reading.requests / spec.target_requests


def by_tokens(reading: MetricsSnapshot, spec: ScalingSpec) -> float:
    """The tokens of open requests, read and written so far, fit what replicas hold."""
    each = reading.tokens_each if spec.target_tokens is None else spec.target_tokens
    return 0.0 if reading.tokens == 0 else reading.tokens / each


def by_cpu(reading: MetricsSnapshot, spec: ScalingSpec) -> float:
    """As Kubernetes' horizontal pod autoscaler does: ready times what is over what should be."""
    return reading.ready * reading.cpu / spec.target_cpu


def by_memory(reading: MetricsSnapshot, spec: ScalingSpec) -> float:
    return reading.ready * reading.memory / spec.target_memory


def by_latency(reading: MetricsSnapshot, spec: ScalingSpec) -> float:
    """Ready times how far the latency is off, at most twice."""
    if math.isnan(reading.latency_s):
        return math.nan
    return reading.ready * min(_WIDEST, reading.latency_s / spec.target_latency_s)


def by_schedule(reading: MetricsSnapshot, spec: ScalingSpec) -> float:
    """The most of the windows that are open now, or will be when a replica asked for now is up."""
    ahead_s = start_from_zero(reading, spec)
    moments = (reading.at, reading.at + ahead_s)
    asked = [w.replicas for w in spec.schedule if any(is_in_window(w, at) for at in moments)]
    return float(max(asked, default=0))


def is_in_window(window: Window, at: float) -> bool:
    """Whether the window holds at `at` (Unix seconds, read as UTC).

    Where the end is not after the start it runs past midnight; `days` are those it starts on.
    """
    moment = datetime.fromtimestamp(at, UTC)
    minute = moment.hour * 60 + moment.minute
    start, end = _minute(window.start), _minute(window.end)
    if start < end:
        return moment.weekday() in window.days and start <= minute < end
    yesterday = (moment - timedelta(days=1)).weekday()
    tonight = moment.weekday() in window.days and minute >= start
    return tonight or (yesterday in window.days and minute < end)


def start_from_zero(reading: MetricsSnapshot, spec: ScalingSpec) -> float:
    """Seconds from asking for a replica to its first answer: laid down, measured, or a guess."""
    if spec.cold_start_s is not None:
        return spec.cold_start_s
    return reading.cold_start_s if reading.cold_start_s > 0 else _FIRST_GUESS_S


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


_FIRST_GUESS_S = 30.0

POLICIES: dict[str, Policy] = {
    "queue": by_queue,
    "tokens": by_tokens,
    "latency": by_latency,
    "cpu": by_cpu,
    "memory": by_memory,
    "schedule": by_schedule,
}
