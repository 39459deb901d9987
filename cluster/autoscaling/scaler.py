"""Scaler of one deployment: metrics in, decisions out. Used in Serve and in the simulator
(load_tests/benchmarks/scaling/autoscaling).

It holds the policies of its spec, the forecast's state and the ScalingBehavior. A policy that
raises or returns no valid number counts as failed.
"""

import math
from collections import deque
from dataclasses import replace

from cluster.autoscaling.behavior import ScalingBehavior
from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.forecast import Forecast
from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.policies import (
    POLICIES,
    Policy,
    cold_start_of,
    replicas_by_queue,
    replicas_by_tokens,
)
from cluster.autoscaling.spec import ScalingSpec

_SMOOTHING = 0.3  # weight of the newest sample in the mean
_MAX_COLD_START_S = 900.0  # a replica that never starts is not a slow one


class ColdStartEstimator:
    """A moving average of the times until a raised target was reached.

    A pending rise that is older than the average counts with its age, so that slower starts are
    noticed before the first of them ends.
    """

    def __init__(self) -> None:
        self._mean_s = math.nan
        self._before: int | None = None
        self._pending_rise: tuple[float, int] | None = None  # start time, target

    def observe(self, at: float, target: int, ready: int) -> float:
        """The estimate in seconds at `at`; NaN before the first target was reached."""
        if self._pending_rise and (
            ready >= self._pending_rise[1] or target < self._pending_rise[1]
        ):
            if ready >= self._pending_rise[1]:
                self._learn(at - self._pending_rise[0])
            self._pending_rise = None
        if (
            self._pending_rise is None
            and self._before is not None
            and target > max(self._before, ready)
        ):
            self._pending_rise = (at, target)
        self._before = target
        waited_s = min(_MAX_COLD_START_S, at - self._pending_rise[0]) if self._pending_rise else 0.0
        return max(waited_s, self._mean_s) if waited_s > 0 else self._mean_s

    def _learn(self, seconds: float) -> None:
        sample = min(_MAX_COLD_START_S, seconds)
        old = sample if math.isnan(self._mean_s) else self._mean_s
        self._mean_s = old + _SMOOTHING * (sample - old)


class SlidingMin:
    """Sliding-window minimum by a monotonic queue: O(1) amortized per sample."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, float]] = deque()

    def update(self, at: float, value: float, over_s: float) -> float:
        """The minimum of the last `over_s` seconds, `value` included; NaN if `value` is NaN, which
        is not stored."""
        if math.isnan(value):
            return math.nan
        entries = self._entries
        while entries and entries[-1][1] >= value:
            entries.pop()
        entries.append((at, value))
        while entries[0][0] < at - over_s:
            entries.popleft()
        return entries[0][1]


class Scaler:
    """The maximum of the selected policies, passed through one ScalingBehavior."""

    def __init__(self, deployment: str, spec: ScalingSpec) -> None:
        self.deployment = deployment
        self.spec = spec
        self._cold_starts = ColdStartEstimator()
        self._requests = SlidingMin()
        self._tokens = SlidingMin()
        self._forecast = Forecast(spec.season_s, spec.forecast_quantile)
        self._behavior = ScalingBehavior(deployment, spec)
        self._policies: dict[str, Policy] = POLICIES | {
            "queue": self._queue,
            "tokens": self._in_flight,
            "forecast": self._forecasted,
        }

    def decide(self, metrics: MetricsSnapshot, bounds: Bounds) -> Decision:
        """Decides; an error of a policy is not raised."""
        metrics = self._with_cold_start(metrics)
        counts: dict[str, float | None] = {
            name: self._count(name, metrics) for name in self.spec.policies
        }
        return self._behavior.decide(metrics, counts, bounds)

    def _with_cold_start(self, metrics: MetricsSnapshot) -> MetricsSnapshot:
        """The metrics with the measured cold start, if there is one."""
        seen_s = self._cold_starts.observe(metrics.at, metrics.target, metrics.ready)
        return metrics if math.isnan(seen_s) else replace(metrics, cold_start_s=seen_s)

    def _count(self, name: str, metrics: MetricsSnapshot) -> float | None:
        try:
            count = float(self._policies[name](metrics, self.spec))
        except Exception:  # noqa: BLE001 - a policy that fails must not stop the others
            return None
        return count if math.isfinite(count) and count >= 0 else None

    def _queue(self, metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
        """Replicas for the sustained number of open requests."""
        least = self._requests.update(metrics.at, metrics.requests, _min_duration_s(metrics, spec))
        return replicas_by_queue(replace(metrics, requests=least), spec)

    def _in_flight(self, metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
        """Replicas for the sustained number of tokens in flight."""
        least = self._tokens.update(metrics.at, metrics.tokens, _min_duration_s(metrics, spec))
        return replicas_by_tokens(replace(metrics, tokens=least), spec)

    def _forecasted(self, metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
        """Replicas for the forecasted load one cold start ahead."""
        if not math.isfinite(metrics.requests):
            return math.nan
        horizon_s = cold_start_of(metrics, spec)
        self._forecast.observe(metrics.at, metrics.requests, horizon_s)
        expected = self._forecast.predict(metrics.at, horizon_s)
        return (metrics.requests if math.isnan(expected) else expected) / spec.target_requests


def _min_duration_s(metrics: MetricsSnapshot, spec: ScalingSpec) -> float:
    """Seconds for which load must be sustained to count, as a burst that is shorter than a cold
    start needs no replica: one cold start beside a forecast, which reacts to rising load; else a
    third of it."""
    return cold_start_of(metrics, spec) / (1 if "forecast" in spec.policies else 3)
