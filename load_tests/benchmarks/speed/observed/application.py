"""The application in this process, with tenancy and echo models, for the parts of the benchmark."""

import logging
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.ingress.services import AppServices
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.model.engines.echo import EchoEngine
from load_tests.benchmarks.common.in_process_application import (
    InProcessModel,
    create_echo_model,
    start_application,
)

URL = "http://mobula"


@dataclass(frozen=True)
class ObservedApplication:
    """`admin` is the operator's key, `models` are those in this process by id."""

    services: AppServices
    tenancy: TenantServices
    models: Mapping[str, InProcessModel]
    http: httpx.AsyncClient
    admin: str

    async def scrape(self, accept: str = "") -> str:
        headers = {"authorization": f"Bearer {self.admin}", "accept": accept}
        return (await self.http.get("/metrics", headers=headers)).raise_for_status().text


@asynccontextmanager
async def observed_application(models: int) -> AsyncIterator[ObservedApplication]:
    """With a home of its own, which is removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings, clock = Settings(home=home, log_level="ERROR"), SystemClock()
        logging.getLogger("mobula").setLevel(logging.ERROR)
        admin = bootstrap(home, settings)
        assert admin is not None
        names = [f"echo{number}" for number in range(models)]
        echoes = {name: create_echo_model(name, EchoEngine(4)) for name in names}
        tenancy = TenantServices(settings, MemoryAuthority(clock), {}, clock)
        async with start_application(settings, tenancy, echoes, clock) as application:
            transport = httpx.ASGITransport(application.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
                yield ObservedApplication(application.services, tenancy, echoes, http, admin)
