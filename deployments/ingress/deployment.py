"""The `Ingress` deployment: builds the services, and passes requests by HTTP and handle to them."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from inspect import isawaitable
from typing import Any

from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from cluster.logs.process_log import LoggedReplica
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from cluster.runtime.settings import Settings
from deployments.clients.serve.backends import ServeBackends
from deployments.clients.serve.node_check import check_store_to_start
from deployments.ingress.access_log import AccessLog
from deployments.ingress.config import IngressConfig, ModelSettings
from deployments.ingress.handle_api import HandleApi
from deployments.ingress.http.serve_bypass import LOCAL
from deployments.ingress.http.streaming import Event
from deployments.ingress.process_setup import prepare_process
from deployments.ingress.serve_view import serve_view
from deployments.ingress.served_application import create_application, serve_application
from deployments.ingress.tenant_services import TenantServices
from deployments.ingress.wiring import build_services


class Ingress(LoggedReplica):
    """A plain class; `graphs/app.py` makes it a deployment."""

    def __init__(
        self,
        models: Mapping[str, DeploymentHandle],
        embedders: Mapping[str, DeploymentHandle],
        limiters: Sequence[DeploymentHandle],
        cache_shards: Sequence[DeploymentHandle],
        config: IngressConfig,
        clipper: DeploymentHandle | None = None,
        classifiers: Mapping[str, DeploymentHandle] | None = None,
        text: DeploymentHandle | None = None,
        media: DeploymentHandle | None = None,
        search: Sequence[DeploymentHandle] = (),
    ) -> None:
        """`limiters`, `cache_shards`, `search`: by shard. `clipper` is never called."""
        settings, clock = Settings(), SystemClock()
        check_store_to_start(settings)
        config = prepare_process(settings, config)
        self._backends = ServeBackends(
            *(models, embedders, limiters, cache_shards),
            config.resilience,
            settings,
            clock,
            cache_in_redis=config.cache.redis,
            by_handle=config.by_handle,
            classifiers=classifiers or {},
            text=text,
            media=media,
            search=search,
        )
        self._tenancy = self._open_tenancy(settings, config.offer)
        self._access_log = AccessLog(settings, self._tenancy, self._backends.models)
        self._services, self._caches = build_services(
            settings,
            clock,
            self._tenancy,
            self._backends,
            config,
            serve_view(clock),
            self._access_log.write,
            LOCAL.open_requests,
        )
        self._handles = HandleApi(self._services, LOCAL.open_requests)

    def _open_tenancy(self, settings: Settings, offer: ModelSettings) -> TenantServices:
        authority, patience_s = self._backends.authority, self._backends.patience_s
        terms = offer.costs, SystemClock(), patience_s, offer.prices, offer.providers_of
        return TenantServices(settings, authority, *terms)

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        await self._backends.warm_up()
        await self._tenancy.start()
        await self._caches.start()
        await self._services.start()
        self._access_log.start()
        return serve_application(self.create_application())

    def create_application(self) -> ASGIApp:
        return create_application(self._services)

    async def call(self, *arguments: Any) -> Any:
        return await self._handles.answer(*arguments)

    async def stream(self, *arguments: Any) -> AsyncGenerator[Event | Problem, None]:
        async with aclosing(self._handles.events(*arguments)) as events:
            async for event in events:
                yield event

    async def record_autoscaling_stats(self) -> dict[str, float]:
        return LOCAL.autoscaling_stats()

    async def loop_lag(self) -> float:
        return self._services.loop_lag.worst()

    async def report(self, name: str, *arguments: Any) -> Any:
        answer = self._services.reports[name](*arguments)
        return await answer if isawaitable(answer) else answer

    async def check_health(self) -> None:
        """An answer shows that the event loop runs; models have health checks of their own."""

    async def __del__(self) -> None:
        """Serve awaits this when it stops a replica; open requests have ended before."""
        await self._services.close()
        await self._access_log.close()
        await self._tenancy.close()
        await self._backends.close()
