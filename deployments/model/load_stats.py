"""The load that a replica reports: its throughput, and what callers select a replica by
(cluster/balancing/replica_state.py).

Flows in: the engine's token counter, the sequences it holds. Flows out: rates, and figures that are
rounded, because Serve sends every change to every caller.
"""

from socket import gethostname

from cluster.runtime.clock import Clock
from deployments.model.spec import LiveConfig

_MIN_INTERVAL_S = 1.0
_SMOOTHING = 0.3
EVERY_HOST = "*"


class Throughput:
    """Tokens a second, from the engine's running total."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read_at = clock.monotonic()
        self._total = 0
        self._rate = 0.0

    def rate(self, total: int) -> float:
        """The rate between the last two readings; within a second, the last rate is repeated."""
        elapsed = self._clock.monotonic() - self._read_at
        if elapsed >= _MIN_INTERVAL_S:
            self._rate = (total - self._total) / elapsed
            self._read_at += elapsed
            self._total = total
        return self._rate


class RoutingStats:
    """`weight` is the operator's weight of this replica; `host` is where it runs."""

    def __init__(self, host: str | None = None) -> None:
        self._host = host or gethostname()
        self._speed = 0.0
        self.weight = 1.0

    def reconfigure(self, config: LiveConfig) -> None:
        weight = config.weight
        if isinstance(weight, dict):
            weight = weight.get(self._host, weight.get(EVERY_HOST, 1.0))
        if weight is not None:
            self.weight = weight

    def summary(
        self, running: int, queued: int, slots: int, tokens_per_s: float
    ) -> dict[str, int | float]:
        """`free` share of its slots, and the tokens/s of one sequence (`speed`, 0: unknown)."""
        if running and tokens_per_s:
            speed = tokens_per_s / running
            self._speed += (_SMOOTHING if self._speed else 1.0) * (speed - self._speed)
        return {
            "running": running,
            "queued": queued,
            "weight": self.weight,
            "free": round(max(0, slots - running - queued) / slots, 1),
            "speed": float(f"{self._speed:.2g}"),
        }
