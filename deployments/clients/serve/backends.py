"""The far sides of an ingress replica's handles and servers: models, limits, the shared cache.

In: handles and settings. Out: what the ingress knows them as.
"""

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ray.serve.handle import DeploymentHandle

from cluster.balancing.replica_set import replica_set
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.settings import Settings
from deployments.cache.tiers.redis import RedisTier
from deployments.clients.serve.cache_client import RemoteCache
from deployments.clients.serve.embedder_client import RemoteEmbedder
from deployments.clients.serve.limiter_client import RemoteAuthority
from deployments.clients.serve.model_client import RemoteModel
from deployments.clients.serve.readiness import wait_for_models
from deployments.ingress.config import IngressConfig
from deployments.limiter.authority.redis import RedisAuthority

# How long a request waits for the limits' authority before that counts as away. A Redis that hangs
# must not be felt; our own replica is watched by Serve, and slow only while it starts.
_PATIENCE_S = {RedisAuthority: 0.1, RemoteAuthority: 0.8}
_ANSWERS_S = 0.1  # the same for kept answers: a slower Redis costs a computation, not an answer


class ServeBackends:
    """`limits` None: a Redis keeps them; no `shelves`: the shared cache is that Redis, or off."""

    def __init__(
        self,
        models: Mapping[str, DeploymentHandle],
        embedders: Mapping[str, DeploymentHandle],
        limits: DeploymentHandle | None,
        shelves: Sequence[DeploymentHandle],
        config: IngressConfig,
        settings: Settings,
        clock: Clock,
    ) -> None:
        specs = defaultdict(ResilienceSpec, config.resilience)
        self.models = {
            id: RemoteModel(id, handle, replica_set(handle.deployment_name), specs[id], clock)
            for id, handle in models.items()
        }
        self.embedders = {
            id: RemoteEmbedder(id, handle, replica_set(handle.deployment_name), specs[id], clock)
            for id, handle in embedders.items()
        }
        self.authority: RemoteAuthority | RedisAuthority
        self.shared: RemoteCache | RedisTier | None = None
        redis = settings.redis_url.get_secret_value() if settings.redis_url else ""
        if limits is not None:
            self.authority = RemoteAuthority(limits, timeout_s=1.0)
        else:
            self.authority = RedisAuthority(redis)
        if shelves:
            self.shared = RemoteCache(shelves)
        elif config.cache.redis:
            self.shared = RedisTier(redis, clock, timeout_s=_ANSWERS_S)
        self.patience_s = _PATIENCE_S[type(self.authority)]

    async def warm_up(self) -> None:
        """Meet whoever is met before the first request."""
        await self.authority.warm_up()
        if isinstance(self.shared, RemoteCache):
            await self.shared.warm_up()
        await wait_for_models([*self.models.values(), *self.embedders.values()])

    async def close(self) -> None:
        """What caches have to close themselves is not closed here."""
        with contextlib.suppress(OSError):
            await self.authority.close()
