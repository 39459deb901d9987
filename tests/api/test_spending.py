"""What the limits of keys, teams and end users ask a replica's tenant services."""

from pathlib import Path

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.clock import ManualClock
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit, UsageAmounts
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from tests.api.web import settings_of

DAYS = ("2023-11-01", "2023-11-14")


async def test_spending_is_exact_up_to_the_last_call(tmp_path: Path) -> None:
    clock, settings = ManualClock(), settings_of(tmp_path)
    bootstrap(tmp_path, settings)
    tenancy = TenantServices(
        settings,
        MemoryAuthority(clock),
        {},
        clock,
        prices={"nano": {Unit.TOKENS: 2}},
        providers_of={"nano": "ours"},
    )
    caller = Caller("default", "k1", frozenset(), team="web", end_user="ana")

    for _ in range(3):
        tenancy.ledger.record_call(caller, Plan(id="p"), "nano", UsageAmounts(10, 5))

        subjects = (("key", "k1"), ("team", "web"), ("end_user", "ana"))
        found = {await tenancy.spent("default", *each, Unit.TOKENS, *DAYS) for each in subjects}
        [tokens] = found
        revenues = {await tenancy.spent("default", *each, None, *DAYS) for each in subjects}
        assert revenues == {2 * tokens}
    assert tokens == 45
    assert await tenancy.spent("default", "end_user", "ben", Unit.TOKENS, *DAYS) == 0
    await tenancy.close()
