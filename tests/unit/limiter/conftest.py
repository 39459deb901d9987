"""A limiter on an authority in the same process, with budgets from a ledger in a dictionary."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Overloaded, RateLimited
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import Unit
from cluster.usage.pseudonyms import Pseudonyms
from deployments.contracts.limits import (
    Authority,
    AuthorityUnavailable,
    ExchangeResult,
    LeaseRequest,
)
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.events import LimitEvent
from deployments.limiter.permit import LimiterPermit
from deployments.limiter.tenant_limiter import TenantLimiter

GENERATE = RequestClass.GENERATE


def plan(**fields: object) -> Plan:
    return Plan.model_validate({"id": "p", **fields})


def per_second(limit: int, burst: int | None = None, **more: object) -> dict[str, object]:
    return {"limit": limit, "per": "second", "burst": burst or limit, **more}


class Gated:
    """An authority that answers only while `open`."""

    def __init__(self, authority: Authority) -> None:
        self.behind = authority
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.down = False

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        exchange = await self.behind.exchange(replica, epoch, ttl_s, requests)
        self.asked.set()
        await self.open.wait()
        if self.down:
            raise AuthorityUnavailable("not now")
        return exchange


@dataclass
class Bench:
    """What tests of limiters share: time, the authority, the ledger, what was observed."""

    clock: ManualClock = field(default_factory=ManualClock)
    ledger: dict[str, int] = field(default_factory=dict)
    events: list[LimitEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.authority = MemoryAuthority(self.clock)

    async def spent(
        self, tenant: str, unit: Unit, first_day: str, last_day: str, subject: str = ""
    ) -> int:
        whose = f"{tenant}|{subject}" if subject else tenant
        return self.ledger.get(f"{whose}|{unit}|{first_day}|{last_day}", 0)

    def limiter(self, replica: str = "r1", authority: Authority | None = None) -> TenantLimiter:
        return TenantLimiter(
            authority or self.authority,
            replica,
            self.clock,
            self.spent,
            self.events.append,
            pseudonym_of=Pseudonyms(b"pepper").of,
        )

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def limiter(bench: Bench) -> TenantLimiter:
    return bench.limiter()


async def tick(bench: Bench, *limiters: TenantLimiter, seconds: float = 0.2) -> None:
    """Let time pass and what is due in the background happen."""
    bench.clock.advance(seconds)
    for limiter in limiters:
        limiter.tick()
    for _ in range(5):
        await asyncio.sleep(0)


async def admitted(limiter: TenantLimiter, of: Plan, count: int) -> list[LimiterPermit]:
    permits = []
    for _ in range(count):
        try:
            permits.append(await limiter.admit("acme", of, GENERATE))
        except (RateLimited, Overloaded):
            continue
    return permits
