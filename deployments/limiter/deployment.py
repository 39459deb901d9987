"""The Serve replica that is one shard of the embedded authority, for all ingress replicas.

In: exchanges over a handle, hand-overs from other shards, the layout from the deployment's
`user_config`. Out: grants. A plain class; graphs/ makes a deployment of it for each shard.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, cast

from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.logs.process_log import LoggedReplica, configure_logging
from cluster.logs.readings import log_readings
from cluster.metrics.catalogue import limits
from cluster.metrics.replica_metrics import NamedReport, ReplicaMetrics
from cluster.metrics.series import Reading
from cluster.resilience.ray_errors import REMOTE_ERRORS
from cluster.runtime.clock import SystemClock
from cluster.runtime.loop_lag import LoopLag
from cluster.runtime.settings import Settings
from deployments.contracts.limits import AuthorityUnavailable
from deployments.limiter.authority.hand_over import HandOver, ShardAnswer, ShardExchange
from deployments.limiter.authority.shard import AuthorityShard
from deployments.limiter.layout import ShardLayout, shard_name

_PEER_TIMEOUT_S = 1.0


class LimiterPeer:
    """Another shard of the same application, by handle; one that is gone is unavailable."""

    def __init__(self, number: int) -> None:
        self._name = shard_name(number)
        self._handle: DeploymentHandle | None = None

    async def hand_over(self, layout: ShardLayout, to: int, instance: str, start: int) -> HandOver:
        """Raises AuthorityUnavailable."""
        try:
            response = self._connect().hand_over.remote(layout, to, instance, start)
        except REMOTE_ERRORS as error:
            raise AuthorityUnavailable(type(error).__name__) from None
        try:
            async with asyncio.timeout(_PEER_TIMEOUT_S):
                return cast("HandOver", await response)
        except TimeoutError:
            response.cancel()
            raise AuthorityUnavailable(f"no answer in {_PEER_TIMEOUT_S:g} s") from None
        except REMOTE_ERRORS as error:
            raise AuthorityUnavailable(type(error).__name__) from None

    def _connect(self) -> DeploymentHandle:
        if self._handle is None:
            app = serve.get_replica_context().app_name
            self._handle = serve.get_deployment_handle(self._name, app).options(
                request_serialization="pickle", response_serialization="pickle"
            )
        return self._handle


class LimiterReplica(LoggedReplica):
    """Its death loses the state; the next one's epoch shows that to the ingress replicas."""

    def __init__(self, index: int = 0) -> None:
        configure_logging(Settings(), "limiter")
        peers: dict[int, LimiterPeer] = {}
        self._shard = AuthorityShard(
            index, SystemClock(), lambda number: peers.setdefault(number, LimiterPeer(number))
        )
        self._lag = LoopLag()
        self._metrics = ReplicaMetrics(self._lag.worst, log_readings, self._readings)

    def _readings(self) -> Iterator[Reading]:
        yield limits.BUCKETS, [((), self._shard.buckets)]

    async def report(self, name: str) -> NamedReport:
        self._lag.start()
        return await self._metrics.report(name, serve.get_replica_context())

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """`version` and `shards` of the layout; Serve calls this at the start and on changes."""
        self._shard.adopt(ShardLayout(user_config["version"], user_config["shards"]))

    async def exchange(self, sent: ShardExchange) -> ShardAnswer:
        return await self._shard.exchange(sent)

    async def hand_over(self, layout: ShardLayout, to: int, instance: str, start: int) -> HandOver:
        return await self._shard.hand_over(layout, to, instance, start)

    async def loop_lag(self) -> float:
        """Measured from the first call on."""
        self._lag.start()
        return self._lag.worst()

    async def record_autoscaling_stats(self) -> dict[str, int | float]:
        return {"buckets": self._shard.buckets}

    async def check_health(self) -> None:
        """Healthy as long as this event loop answers."""
