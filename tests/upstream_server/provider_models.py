"""Models of providers over upstream servers, as an application has them.

In: upstream servers and settings of a model. Out: the model, ready; its connections are closed at
the end.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cluster.runtime.clock import SystemClock
from deployments.providers.config import ProvidersConfig
from deployments.providers.http.pool import ConnectionPool
from deployments.providers.provider_model import ProviderModel
from deployments.providers.services import Providers
from tests.upstream_server.server import UpstreamServer

KEY = "sk-of-the-operator-0123456789"
KEYS = {"UP_KEY": KEY}
PRIVATE_HOSTS = ("127.0.0.1",)
TIMEOUTS = {"connect_s": 5.0, "first_byte_s": 0.5, "idle_s": 0.5}


@dataclass(frozen=True)
class ServedProvider:
    """A model `m` over its upstreams."""

    model: ProviderModel

    @property
    def pools(self) -> Sequence[ConnectionPool]:
        return [upstream.pool for upstream in self.model.caller.upstreams.values()]

    @property
    def open_connections(self) -> int:
        return sum(pool.open for pool in self.pools)


def base_url(server: UpstreamServer, engine: str) -> str:
    return server.url if engine == "openai" else server.url.removesuffix("/v1")


def model_settings(
    servers: Sequence[UpstreamServer], engine: str = "openai", **settings: Any
) -> dict[str, Any]:
    """The settings of a model `m`, whose name at the upstreams is `up`."""
    common = {"id": "m", "source": "up", "engine": engine, "key_env": "UP_KEY", "check": False}
    upstreams = [{"base_url": base_url(server, engine)} for server in servers]
    return {**common, "upstreams": upstreams, "timeouts": TIMEOUTS, **settings}


@asynccontextmanager
async def served_model(
    servers: Sequence[UpstreamServer],
    engine: str,
    environment: Mapping[str, str] = KEYS,
    **settings: Any,
) -> AsyncIterator[ServedProvider]:
    config = ProvidersConfig((model_settings(servers, engine, **settings),), (), PRIVATE_HOSTS)
    providers = Providers(config, environment, SystemClock())
    try:
        yield ServedProvider(providers.models["m"])
    finally:
        await providers.close()
