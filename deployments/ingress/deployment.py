"""The `Ingress` deployment: HTTP and Python handles meet the request path here.

It only builds the collaborators and hands over: HTTP goes to the application of `create_app`,
handle calls go to the same operations through the same gate.
"""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from cluster.clock import Clock, SystemClock
from cluster.journal import Journal
from cluster.logs import configure_logging
from cluster.settings import Settings
from deployments.ingress.app import create_app
from deployments.ingress.assembly import assemble
from deployments.ingress.handles import HandleCalls
from deployments.ingress.offer import Offer
from deployments.ingress.tenancy import Tenancy
from deployments.limiter.redis_authority import RedisAuthority
from deployments.remote import RemoteModel
from deployments.remote_limiter import RemoteAuthority

# How long a request waits for the limits' authority before that counts as away. A Redis that hangs
# must not be felt; our own replica is watched by Serve, and slow only while it starts.
PATIENCE_S = {RedisAuthority: 0.1, RemoteAuthority: 0.8}


class Ingress:
    """A plain class; `graphs/app.py` makes it a deployment."""

    def __init__(
        self,
        models: Mapping[str, DeploymentHandle],
        limits: DeploymentHandle | None,
        offer: Offer,
    ) -> None:
        """`limits` leads to the embedded authority; None where a Redis keeps the limits."""
        settings, clock = Settings(), SystemClock()
        configure_logging(settings.log_level)
        self._journal = Journal(settings.home / "logs", f"access-{os.getpid()}")
        self._authority = _authority(limits, settings)
        self._tenancy = self._open_tenancy(settings, offer, clock)
        served = {model: RemoteModel(model, handle) for model, handle in models.items()}
        self._services = assemble(
            settings, clock, self._tenancy, served, offer, self._journal.write
        )
        self._handles = HandleCalls(self._services)

    def _open_tenancy(self, settings: Settings, offer: Offer, clock: Clock) -> Tenancy:
        patience_s = PATIENCE_S[type(self._authority)]
        return Tenancy(settings, self._authority, offer.costs, clock, patience_s)

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        await self._authority.warm_up()
        await self._tenancy.start()
        return create_app(self._services, behind_serve=True)

    async def call(self, *arguments: Any) -> Any:
        """One operation by handle, as HandleCalls.call; raises Problems."""
        return await self._handles.call(*arguments)

    async def stream(self, *arguments: Any) -> AsyncGenerator[tuple[str | None, Any], None]:
        """The same as (event name, value) pairs."""
        async with aclosing(self._handles.stream(*arguments)) as events:
            async for event in events:
                yield event

    async def check_health(self) -> None:
        """Answering at all shows that the event loop turns; models have health of their own."""

    async def __del__(self) -> None:
        """Serve awaits this when it stops a replica; open requests have ended before."""
        await self._tenancy.close()
        await self._authority.close()
        self._journal.close()


def _authority(
    limits: DeploymentHandle | None, settings: Settings
) -> RemoteAuthority | RedisAuthority:
    if limits is not None:
        return RemoteAuthority(limits, timeout_s=1.0)
    assert settings.redis_url is not None, "graphs/limits.py has checked it"
    return RedisAuthority(settings.redis_url.get_secret_value())
