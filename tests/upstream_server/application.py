"""The whole application at a port over models of providers, and what its tenant has used.

In: settings of models as in serve_config.yaml. Out: a client with a tenant's key, the tenant's
ledger and budget. No Ray: an ingress replica's services run in this process.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from cluster.auth.bootstrap import bootstrap
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from cluster.tenants.units import Unit
from cluster.usage.prices import Prices
from cluster.usage.report import budget_used
from deployments.contracts.images import ImageReader
from deployments.guardrails.spec import GuardrailConfig
from deployments.ingress.names.spec import NameSettings, NamesSpec
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from deployments.model.engines.echo import EchoEngine
from deployments.providers.config import ProvidersConfig
from deployments.providers.provider_model import ProviderModel
from load_tests.benchmarks.common.in_process_application import (
    InProcessApplication,
    create_echo_model,
    serve_over_http,
    start_application,
)
from load_tests.benchmarks.common.tenants import create_tenant
from tests.servers.stores import migrated_home
from tests.upstream_server.provider_models import PRIVATE_HOSTS

TENANT = "gateway"
PROVIDER = "upstream"  # who serves models that name no provider
BUDGET = 10**12
PLAN: dict[str, Any] = {"budgets": {"tokens": {"month": BUDGET}}}
_LEASE_S = 120.0


@dataclass(frozen=True)
class GatewayApplication:
    """`client` has the key of a tenant, `operator` an administrator's."""

    url: str
    key: str
    client: httpx.AsyncClient
    operator: httpx.AsyncClient
    running: InProcessApplication
    tenancy: TenantServices

    async def ledger(self) -> tuple[int, int]:
        """(input, output) tokens of the tenant, once all usage is written."""
        recorder = self.running.services.model_pipeline.recorder
        async with asyncio.timeout(30):
            while recorder.settlements.open or recorder.counters.open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await self.tenancy.ledger.flush()
        today = datetime.fromtimestamp(SystemClock().wall(), UTC)
        days = (today.replace(day=1).date().isoformat(), today.date().isoformat())
        async with self.tenancy.database.read() as connection:
            amounts = [
                await budget_used(connection, TENANT, unit, *days)
                for unit in (Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS)
            ]
        return amounts[0], amounts[1]

    async def budget(self) -> int:
        """Tokens that the tenant's budget says are spent."""
        views = await self.tenancy.limit_status(TENANT)
        [view] = [view for view in views if view.unit is Unit.TOKENS]
        return view.capacity - (view.remaining or 0)

    def ask_all_upstreams(self) -> None:
        """None is left out any longer because of what it did."""
        for model in self.running.services.models.text_models.values():
            if isinstance(model, ProviderModel):
                for upstream in model.caller.upstreams.values():
                    upstream.readmit()


@asynccontextmanager
async def gateway_application(
    home: Path,
    models: Sequence[Mapping[str, Any]],
    embeddings: Sequence[Mapping[str, Any]] = (),
    plan: Mapping[str, Any] | None = None,
    *,
    local: Sequence[str] = (),
    aliases: Mapping[str, Any] | None = None,
    guardrails: Mapping[str, Any] | None = None,
    prices: Mapping[str, Prices] | None = None,
    access_log: Callable[[bytes], None] = lambda _: None,
    image_reader: ImageReader | None = None,
    **settings: Any,
) -> AsyncIterator[GatewayApplication]:
    """`models`, `embeddings`, `aliases` and `guardrails` are as in serve_config.yaml; each `local`
    model repeats its prompt. `prices` are by model id."""
    served = Settings(**{"home": home, "log_level": "ERROR", **settings})
    clock = SystemClock()
    admin_key = bootstrap(migrated_home(home), served)
    assert admin_key is not None
    authority = MemoryAuthority(clock)
    providers_of = {str(model["id"]): str(model.get("provider", PROVIDER)) for model in models}
    tenancy = TenantServices(served, authority, {}, clock, prices=prices, providers_of=providers_of)
    # Credits of a lease that expires count as spent: it must not, however busy this machine is.
    tenancy.limiter = TenantLimiter(
        authority, "gateway", clock, tenancy._budget_used, lambda _: None,
        ttl_s=_LEASE_S, patience_s=5.0, pseudonym_of=tenancy.pseudonyms.of, book=tenancy.book,
    )  # fmt: skip
    providers = ProvidersConfig(tuple(models), tuple(embeddings), PRIVATE_HOSTS)
    resilience = {
        str(model["id"]): ResilienceSpec.model_validate(model.get("resilience", {}))
        for model in models
    }
    async with (
        start_application(
            served,
            tenancy,
            {id: create_echo_model(id, EchoEngine()) for id in local},
            clock,
            providers=providers,
            resilience=resilience,
            guardrails=GuardrailConfig.model_validate(guardrails or {}),
            names=NameSettings(NamesSpec.model_validate({"aliases": aliases or {}})),
            access_log=access_log,
            image_reader=image_reader,
        ) as running,
        serve_over_http(running.app) as url,
        httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {admin_key}"}, timeout=60, verify=False
        ) as operator,
    ):
        key = await create_tenant(operator, admin_key, TENANT, plan or PLAN)
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(
            base_url=url, headers=headers, timeout=60, verify=False
        ) as client:
            yield GatewayApplication(url, key, client, operator, running, tenancy)
