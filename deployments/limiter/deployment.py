"""The Serve replica that owns the embedded authority: exactly one, for all ingress replicas.

In: exchanges over a handle. Out: grants. A plain class; graphs/ makes the deployment of it.
"""

from collections.abc import Sequence

from cluster.runtime.clock import SystemClock
from cluster.runtime.logging import configure_logging
from cluster.runtime.loop_lag import LoopLag
from cluster.runtime.settings import Settings
from deployments.contracts.limits import ExchangeResult, LeaseRequest
from deployments.limiter.authority.memory import MemoryAuthority


class LimiterReplica:
    """Its death loses the state; the next one's epoch shows that to the ingress replicas."""

    def __init__(self) -> None:
        configure_logging(Settings().log_level)
        self._authority = MemoryAuthority(SystemClock())
        self._lag = LoopLag()

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        return await self._authority.exchange(replica, epoch, ttl_s, requests)

    async def loop_lag(self) -> float:
        """Measured from the first call on."""
        self._lag.start()
        return self._lag.worst()

    async def record_autoscaling_stats(self) -> dict[str, int | float]:
        return {"buckets": self._authority.buckets}

    async def check_health(self) -> None:
        """Healthy as long as this event loop answers."""
