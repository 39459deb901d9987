"""What the limits of keys and teams ask a replica's tenant services."""

from pathlib import Path

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.clock import ManualClock
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit, UsageAmounts
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from tests.api.web import settings_of
from tests.servers.stores import migrated_home

DAYS = ("2023-11-01", "2023-11-14")


async def test_spending_is_exact_up_to_the_last_call(tmp_path: Path) -> None:
    clock, settings = ManualClock(), settings_of(tmp_path)
    bootstrap(migrated_home(tmp_path), settings)
    tenancy = TenantServices(
        settings,
        MemoryAuthority(clock),
        {},
        clock,
        prices={"nano": {Unit.TOKENS: 2}},
        providers_of={"nano": "ours"},
    )
    await tenancy.directory.refresh()
    [key] = (await tenancy.administration.keys.list("default", 10, None)).items
    caller = Caller("default", key.id, frozenset(), team="web")

    async def used(unit: Unit, subject: str) -> int:
        return await tenancy._budget_used("default", unit, *DAYS, subject)

    for calls in range(1, 4):
        tenancy.ledger.record_call(caller, Plan(id="p"), "nano", UsageAmounts(10, 5))

        for subject in ("", f"key:{key.id}", "team:web"):
            assert await used(Unit.TOKENS, subject) == 15 * calls
        for subject in (f"key:{key.id}", "team:web"):
            assert await used(Unit.SPEND, subject) == 2 * 15 * calls
    assert await used(Unit.TOKENS, "team:other") == 0
    await tenancy.close()
