"""The whole application in this process over echo models whose engines are counted.

In: nothing. Out: its address, a tenant's key, what its ledger and its budget say, and what the
engines generated for each request, counted where the tokens leave the engine: none of Mobula's own
counting is between them and the count.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from cluster.tenants.units import Unit
from cluster.usage.report import budget_used, usage_report
from deployments.contracts.engine import Engine, EngineStats, TokenRequest, Tokens
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from deployments.model.engines.echo import EchoEngine
from load_tests.benchmarks.common.in_process_application import (
    create_echo_model,
    serve_over_http,
    start_application,
)
from load_tests.benchmarks.common.tenants import create_tenant

TENANT = "counted"
BUDGET = 10**12
_SLOTS = 4_096
_LEASE_S = 120.0


@dataclass
class GeneratedTokens:
    """What engines have taken and given for one request, by the id that its client chose."""

    prompt_tokens: int = 0
    tokens: int = 0


class CountedEngine:
    """An Engine that counts what another one generates."""

    name = "echo"

    def __init__(self, engine: Engine, counts: dict[str, GeneratedTokens]) -> None:
        self._engine = engine
        self._counts = counts
        self.supports = engine.supports

    async def start(self) -> None:
        await self._engine.start()

    async def generate(self, request: TokenRequest) -> AsyncGenerator[Tokens, None]:
        count = self._counts[request.request_id.partition("/")[0]]
        count.prompt_tokens = len(request.prompt_ids)
        on_left = request.on_left

        def left(rest: Tokens) -> None:
            count.tokens += len(rest.ids)
            if on_left is not None:
                on_left(rest)

        observed = replace(request, on_left=left)
        async with aclosing(self._engine.generate(observed)) as batches:
            async for tokens in batches:
                count.tokens += len(tokens.ids)
                yield tokens

    def stats(self) -> EngineStats:
        return self._engine.stats()

    def check_health(self) -> None:
        self._engine.check_health()

    async def stop(self) -> None:
        await self._engine.stop()


@dataclass
class CountedApplication:
    """A running one. `counts` are by request id; `ledger` waits until all usage is written."""

    url: str
    key: str
    counts: Mapping[str, GeneratedTokens]
    _recorder: UsageRecorder
    _tenancy: TenantServices

    async def ledger(self) -> tuple[int, int]:
        """(input, output) tokens of the tenant."""
        async with asyncio.timeout(30):
            while self._recorder.settlements.open or self._recorder.counters.open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await self._tenancy.ledger.flush()
        days = _this_month()
        async with self._tenancy.database.read() as connection:
            amounts = [
                await budget_used(connection, TENANT, unit, *days)
                for unit in (Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS)
            ]
        return amounts[0], amounts[1]

    async def ledger_by(self, dimension: str) -> dict[str, tuple[int, int]]:
        """The same by value of a dimension, once `ledger` has waited."""
        days = _this_month()
        async with self._tenancy.database.read() as connection:
            rows = await usage_report(connection, TENANT, *days, (dimension,))
        return {
            row.group[dimension]: (
                row.amounts.get(Unit.INPUT_TOKENS, 0),
                row.amounts.get(Unit.OUTPUT_TOKENS, 0),
            )
            for row in rows
        }

    async def budget(self) -> int:
        """Tokens that the tenant's budget says are spent."""
        views = await self._tenancy.limit_status(TENANT)
        [view] = [view for view in views if view.unit is Unit.TOKENS]
        return view.capacity - (view.remaining or 0)


def _this_month() -> tuple[str, str]:
    """Its first day, and today."""
    today = datetime.now(UTC).date()
    return today.replace(day=1).isoformat(), today.isoformat()


@asynccontextmanager
async def counted_application(
    home: Path, paces: Mapping[str, float | None]
) -> AsyncIterator[CountedApplication]:
    """`paces` are the models, and tokens a second of each sequence (None: all at once)."""
    settings, clock = Settings(home=home, log_level="ERROR"), SystemClock()
    admin_key = bootstrap(home, settings)
    assert admin_key is not None
    counts: dict[str, GeneratedTokens] = defaultdict(GeneratedTokens)
    models = {
        name: create_echo_model(
            name, CountedEngine(EchoEngine(_SLOTS, tokens_per_second=pace), counts)
        )
        for name, pace in paces.items()
    }
    authority = MemoryAuthority(clock)
    tenancy = TenantServices(settings, authority, {}, clock)
    # Credits of a lease that expires count as spent: it must not, however busy this machine is.
    tenancy.limiter = TenantLimiter(
        authority,
        "bench",
        clock,
        tenancy._budget_used,
        lambda _: None,
        ttl_s=_LEASE_S,
        patience_s=5.0,
    )
    async with (
        start_application(settings, tenancy, models, clock) as application,
        serve_over_http(application.app) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        recorder = application.services.model_pipeline.recorder
        plan = {"budgets": {"tokens": {"month": BUDGET}}}
        key = await create_tenant(client, admin_key, TENANT, plan)
        yield CountedApplication(url, key, counts, recorder, tenancy)
