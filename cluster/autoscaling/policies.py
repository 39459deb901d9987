"""Scaling policies: pure functions from metrics to a replica count.

In: a MetricsSnapshot and the spec. Out: replicas as a fraction; NaN if the metric is unknown.
ScalingBehavior decides when and how far the deployment follows.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.spec import ScalingSpec, Window

Policy = Callable[[MetricsSnapshot, ScalingSpec], float]

_MAX_LATENCY_RATIO = 2.0  # limits the reaction to one latency sample


def replicas_by_queue(metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
    """Open requests, running or queued, per target requests."""
    return metrics.requests / spec.target_requests


def replicas_by_tokens(metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
    """Tokens of open requests, input and output so far, per replica's capacity."""
    each = metrics.tokens_each if spec.target_tokens is None else spec.target_tokens
    return 0.0 if metrics.tokens == 0 else metrics.tokens / each


def replicas_by_cpu(metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
    """Ready replicas x current / target share, as in Kubernetes' horizontal pod autoscaler."""
    return metrics.ready * metrics.cpu / spec.target_cpu


def replicas_by_memory(metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
    return metrics.ready * metrics.memory / spec.target_memory


def replicas_by_latency(metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
    """Ready replicas x latency / target latency, at most twice."""
    if math.isnan(metrics.latency_s):
        return math.nan
    return metrics.ready * min(_MAX_LATENCY_RATIO, metrics.latency_s / spec.target_latency_s)


def replicas_by_schedule(metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
    """The maximum of the windows that are active now or one cold start ahead."""
    ahead_s = cold_start_of(metrics, spec)
    moments = (metrics.at, metrics.at + ahead_s)
    counts = [w.replicas for w in spec.schedule if any(is_in_window(w, at) for at in moments)]
    return float(max(counts, default=0))


def is_in_window(window: Window, at: float) -> bool:
    """Whether the window is active at `at` (Unix seconds, in UTC).

    If the end is not after the start, it spans midnight; `days` are the days of its start.
    """
    moment = datetime.fromtimestamp(at, UTC)
    minute = moment.hour * 60 + moment.minute
    start, end = _minute_of_day(window.start), _minute_of_day(window.end)
    if start < end:
        return moment.weekday() in window.days and start <= minute < end
    yesterday = (moment - timedelta(days=1)).weekday()
    tonight = moment.weekday() in window.days and minute >= start
    return tonight or (yesterday in window.days and minute < end)


def cold_start_of(metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
    """Cold start of a replica in seconds: configured, measured, or the default."""
    if spec.cold_start_s is not None:
        return spec.cold_start_s
    return metrics.cold_start_s if metrics.cold_start_s > 0 else _DEFAULT_COLD_START_S


def _minute_of_day(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


_DEFAULT_COLD_START_S = 30.0

POLICIES: dict[str, Policy] = {
    "queue": replicas_by_queue,
    "tokens": replicas_by_tokens,
    "latency": replicas_by_latency,
    "cpu": replicas_by_cpu,
    "memory": replicas_by_memory,
    "schedule": replicas_by_schedule,
}
