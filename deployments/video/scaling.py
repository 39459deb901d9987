"""Autoscaling of Clipper replicas: enough that no job waits for a free replica.

A pure function of the replicas' reports, and the class that Serve calls. It runs in Serve's
controller, so an invalid report keeps the current number.
"""

import math
from collections.abc import Mapping
from typing import Any


def replicas_for(queued: float, running: float, jobs: int, current: int) -> int:
    """Replicas for all jobs at `jobs` each; `current` for a value that is not finite."""
    wanted = queued + running
    if not math.isfinite(wanted) or wanted < 0:
        return current
    return max(1, math.ceil(wanted / jobs))


class QueueScalingPolicy:
    """Serve's autoscaling policy: every replica reports the whole queue, so the maximum counts.

    A class, because Serve gives no arguments to policies that are functions.
    """

    def __init__(self, jobs: int = 1) -> None:
        self._jobs = jobs

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        current = int(context.target_num_replicas)
        try:
            queued, running = (
                _maximum(context.aggregated_metrics, name) for name in ("queued", "running")
            )
            return replicas_for(queued, running, self._jobs, current), {}
        except Exception:  # noqa: BLE001 - a policy that raises would stop the controller's round
            return current, {}


def _maximum(metrics: Mapping[str, Mapping[Any, float]], name: str) -> float:
    values = metrics.get(name, {}).values()
    return max(values) if values else math.nan
