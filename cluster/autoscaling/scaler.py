"""One deployment's scaling: readings in, decisions out. The same object decides in Serve and in
the simulator (load_tests/benchmarks/scaling/autoscaling).

Holds the policies that its spec names, the forecast's memory and the Governor. Whatever a policy
does wrong stays here: it raises, or gives what is no number of replicas, and it counts as failed.
"""

import math
from dataclasses import replace

from cluster.autoscaling.behavior import ScalingBehavior
from cluster.autoscaling.cold_start import ColdStartEstimator
from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.forecast import Forecast
from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.policies import POLICIES, Policy, by_queue, by_tokens, start_from_zero
from cluster.autoscaling.sliding_min import SlidingMin
from cluster.autoscaling.spec import ScalingSpec


class Scaler:
    """Hybrid: the maximum of what the named policies want, through one Governor."""

    def __init__(self, deployment: str, spec: ScalingSpec) -> None:
        self.deployment = deployment
        self.spec = spec
        self._cold_starts = ColdStartEstimator()
        self._requests = SlidingMin()
        self._tokens = SlidingMin()
        self._forecast = Forecast(spec.season_s, spec.forecast_quantile)
        self._governor = ScalingBehavior(deployment, spec)
        self._policies: dict[str, Policy] = POLICIES | {
            "queue": self._queue,
            "tokens": self._in_flight,
            "forecast": self._ahead,
        }

    def decide(self, reading: MetricsSnapshot, bounds: Bounds) -> Decision:
        """Never raises for what a policy does."""
        reading = self._measured(reading)
        wants: dict[str, float | None] = {
            name: self._want(name, reading) for name in self.spec.policies
        }
        return self._governor.decide(reading, wants, bounds)

    def _measured(self, reading: MetricsSnapshot) -> MetricsSnapshot:
        """With the cold start as it was seen from here, once one has been."""
        seen_s = self._cold_starts.observe(reading.at, reading.target, reading.ready)
        return reading if math.isnan(seen_s) else replace(reading, cold_start_s=seen_s)

    def _want(self, name: str, reading: MetricsSnapshot) -> float | None:
        try:
            found = float(self._policies[name](reading, self.spec))
        except Exception:  # noqa: BLE001 - a policy that fails must not stop the others
            return None
        return found if math.isfinite(found) and found >= 0 else None

    def _queue(self, reading: MetricsSnapshot, spec: ScalingSpec) -> float:
        """Replicas for the open requests that last."""
        least = self._requests.least(reading.at, reading.requests, _lasts_s(reading, spec))
        return by_queue(replace(reading, requests=least), spec)

    def _in_flight(self, reading: MetricsSnapshot, spec: ScalingSpec) -> float:
        """Replicas for the tokens in flight that last."""
        least = self._tokens.least(reading.at, reading.tokens, _lasts_s(reading, spec))
        return by_tokens(replace(reading, tokens=least), spec)

    def _ahead(self, reading: MetricsSnapshot, spec: ScalingSpec) -> float:
        """Replicas for the load that is expected one cold start ahead."""
        if not math.isfinite(reading.requests):
            return math.nan
        horizon_s = start_from_zero(reading, spec)
        self._forecast.observe(reading.at, reading.requests, horizon_s)
        expected = self._forecast.predict(reading.at, horizon_s)
        return (reading.requests if math.isnan(expected) else expected) / spec.target_requests


def _lasts_s(reading: MetricsSnapshot, spec: ScalingSpec) -> float:
    """Seconds that load must be there to count: a burst that is over before a replica could be up
    is not worth one. Beside a forecast, which follows load that rises, a whole cold start; alone
    a third of one, because nobody else would notice."""
    return start_from_zero(reading, spec) / (1 if "forecast" in spec.policies else 3)
