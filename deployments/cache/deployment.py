"""The Serve replica that owns one shard of the embedded shared tier.

In: a SharedTier's calls over a handle (deployments/clients/serve/cache_client.py). Out: their
results. A plain class; graphs/ makes deployments `Cache-0` ... of it, each with exactly one
replica: two would lease one key twice. Followers wait inside their calls, so
`max_ongoing_requests` must be large.
"""

from collections.abc import Iterator, Mapping, Sequence

from ray import serve

from cluster.logs.process_log import LoggedReplica, configure_logging
from cluster.logs.readings import log_readings
from cluster.metrics.catalogue import cache
from cluster.metrics.replica_metrics import NamedReport, ReplicaMetrics
from cluster.metrics.series import Reading
from cluster.runtime.clock import SystemClock
from cluster.runtime.loop_lag import LoopLag
from cluster.runtime.settings import Settings
from deployments.cache.tiers.local_shared_tier import InMemorySharedTier
from deployments.contracts.cache import FollowResult, LeaseAcquired, LeaseHeldElsewhere


class CacheShard(LoggedReplica):
    """If it dies, its entries and leases are lost: leaders get -1 and False, followers `gone`.
    `max_bytes` bounds the entries.
    """

    def __init__(self, max_bytes: int) -> None:
        configure_logging(Settings(), "cache")
        self._tier = InMemorySharedTier(max_bytes, SystemClock())
        self._lag = LoopLag()
        self._metrics = ReplicaMetrics(self._lag.worst, log_readings, self._readings)

    def _readings(self) -> Iterator[Reading]:
        figures = self._tier.figures()
        yield cache.SHARD_BYTES, [((), figures["bytes"])]
        yield cache.SHARD_ENTRIES, [((), figures["entries"])]
        yield cache.SHARD_EVICTIONS, [((), figures["evictions"])]

    async def report(self, name: str) -> NamedReport:
        self._lag.start()
        return await self._metrics.report(name, serve.get_replica_context())

    async def get(self, key: bytes) -> bytes | None:
        return await self._tier.get(key)

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        await self._tier.put(key, sealed, ttl_s)

    async def remove(self, key: bytes) -> None:
        await self._tier.remove(key)

    async def get_or_lease(
        self, key: bytes, lease_s: float
    ) -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        return await self._tier.get_or_lease(key, lease_s)

    async def publish(self, key: bytes, token: int, frames: Sequence[bytes], lease_s: float) -> int:
        return await self._tier.publish(key, token, frames, lease_s)

    async def follow(self, key: bytes, token: int, seen: int, wait_s: float) -> FollowResult:
        return await self._tier.follow(key, token, seen, wait_s)

    async def store(self, key: bytes, token: int, sealed: bytes, ttl_s: float) -> bool:
        return await self._tier.store(key, token, sealed, ttl_s)

    async def release(self, key: bytes, token: int) -> None:
        await self._tier.release(key, token)

    async def figures(self) -> Mapping[str, int]:
        """As InMemorySharedTier.figures."""
        return self._tier.figures()

    async def loop_lag(self) -> float:
        """Measured from the first call on."""
        self._lag.start()
        return self._lag.worst()

    async def record_autoscaling_stats(self) -> dict[str, int | float]:
        return {**self._tier.figures()}

    async def check_health(self) -> None:
        """Healthy as long as this event loop answers; overdue leases are dropped on the way."""
        self._tier.figures()
