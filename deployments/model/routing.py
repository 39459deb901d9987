"""What a replica tells its callers, for them to choose among replicas
(cluster/balancing/replica_state.py).

Flows in: the sequences it holds and the tokens/s it makes. Flows out: figures that are rounded, as
Serve tells every caller of each change.
"""

from socket import gethostname

from deployments.model.spec import LiveConfig

_SMOOTHING = 0.3
EVERY_HOST = "*"


class RoutingStats:
    """`weight` is the operator's word on this replica; `host` is where it runs."""

    def __init__(self, host: str | None = None) -> None:
        self._host = host or gethostname()
        self._speed = 0.0
        self.weight = 1.0

    def tune(self, tunables: LiveConfig) -> None:
        weight = tunables.weight
        if isinstance(weight, dict):
            weight = weight.get(self._host, weight.get(EVERY_HOST, 1.0))
        if weight is not None:
            self.weight = weight

    def figures(
        self, running: int, queued: int, places: int, tokens_per_s: float
    ) -> dict[str, int | float]:
        """`free` share of its places, and the tokens/s of one sequence (`speed`, 0: unknown)."""
        if running and tokens_per_s:
            speed = tokens_per_s / running
            self._speed += (_SMOOTHING if self._speed else 1.0) * (speed - self._speed)
        return {
            "running": running,
            "queued": queued,
            "weight": self.weight,
            "free": round(max(0, places - running - queued) / places, 1),
            "speed": float(f"{self._speed:.2g}"),
        }
