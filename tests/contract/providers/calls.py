"""Models of providers over upstreams on loopback, as an ingress replica makes them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from cluster.runtime.clock import SystemClock
from deployments.providers.config import ProvidersConfig
from deployments.providers.services import Providers

LOCAL = "127.0.0.1"


@asynccontextmanager
async def provider_models(
    *models: Mapping[str, Any],
    embeddings: tuple[Mapping[str, Any], ...] = (),
    environment: Mapping[str, str] | None = None,
    private_hosts: tuple[str, ...] = (LOCAL,),
) -> AsyncIterator[Providers]:
    """Nothing runs in the background."""
    config = ProvidersConfig(models, embeddings, private_hosts)
    providers = Providers(config, environment or {}, SystemClock())
    try:
        yield providers
    finally:
        await providers.close()


def model(*urls: str, **more: Any) -> dict[str, Any]:
    """Settings of a model `m` with an upstream at each URL."""
    upstreams = [{"base_url": url} for url in urls]
    return {"id": "m", "engine": "openai", "source": "up", "upstreams": upstreams, **more}
