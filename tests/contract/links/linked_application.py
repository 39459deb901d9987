"""The whole application at a port, in front of a model that it calls over links."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.settings import Settings
from deployments.contracts.limits import BucketKind
from deployments.ingress.http.joined_writes import JoinedWrites
from deployments.ingress.http.serve_bypass import LocalApplication, ServeBypass
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from load_tests.benchmarks.common.in_process_application import serve_over_http, start_application
from load_tests.benchmarks.common.tenants import create_tenant
from tests.contract.links.linked_models import CLOCK, LinkedModel
from tests.servers.stores import migrated_home

TENANT = "linked"
PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class LinkedApplication:
    """`client` has the key of a tenant that may have `concurrency` requests open."""

    url: str
    key: str
    client: httpx.AsyncClient
    concurrency: int
    _tenancy: TenantServices

    async def free_slots(self) -> int | None:
        """Of the tenant; None while they are not known."""
        views = await self._tenancy.limit_status(TENANT)
        [slots] = [view for view in views if view.kind is BucketKind.SLOTS]
        return slots.remaining


@asynccontextmanager
async def linked_application(
    home: Path, model: LinkedModel, concurrency: int, listener: socket.socket | None = None
) -> AsyncIterator[LinkedApplication]:
    """`listener` is a socket that listens, in place of one of its own."""
    settings = Settings(home=home, log_level="ERROR")
    admin_key = bootstrap(migrated_home(home), settings)
    assert admin_key is not None
    tenancy = TenantServices(settings, MemoryAuthority(CLOCK), {}, CLOCK)
    async with (
        start_application(settings, tenancy, {"m": model.text}, CLOCK) as application,
        serve_over_http(around_serve(application.app), listener) as url,
        httpx.AsyncClient(base_url=url) as operator,
    ):
        plan = {"concurrency": {"limit": concurrency}}
        key = await create_tenant(operator, admin_key, TENANT, plan)
        headers = {"Authorization": f"Bearer {key}"}
        limits = httpx.Limits(max_connections=concurrency)
        async with httpx.AsyncClient(
            base_url=url, headers=headers, limits=limits, timeout=30
        ) as client:
            yield LinkedApplication(url, key, client, concurrency, tenancy)


def around_serve(app: ASGIApp) -> ASGIApp:
    """The application behind the layers of a replica's listener that concern responses."""
    local = LocalApplication()
    local.install(app)

    async def serves(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the request goes to Serve")

    return JoinedWrites(ServeBypass(serves, local))


def chat(prompt: str, **more: Any) -> dict[str, Any]:
    """The body of a request; it is not answered from the cache."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": "m", "messages": messages, "temperature": 1, **more}
