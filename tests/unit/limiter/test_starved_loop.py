"""Where the authority or the ledger is late, or this process stood still, a request waits or is
refused with 503: a 429 says that the limit is reached, which nobody knows then."""

import asyncio
from collections.abc import Sequence

import pytest

from cluster.runtime.problems import Overloaded, RateLimited
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.contracts.limits import Authority, ExchangeResult, LeaseGrant, LeaseRequest
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.permit import LimiterReservation
from deployments.limiter.tenant_limiter import TenantLimiter
from load_tests.benchmarks.common.virtual_time import LoopClock, VirtualLoop, run_in_virtual_time
from load_tests.benchmarks.limits.simulated_limiters import nothing_spent
from tests.unit.limiter.conftest import GENERATE, Bench, Gated, per_second, plan, tick

HUGE = 10**9
LIMITED = {
    "budget": plan(budgets={"tokens": {"day": HUGE}}),
    "rate": plan(rates={"generate": {"requests": per_second(HUGE)}}),
    "slots": plan(concurrency={"limit": 63}),
}
CALL = UsageAmounts(10, 0)


async def call(limiter: TenantLimiter, limited: Plan) -> LimiterReservation:
    permit = await limiter.admit("acme", limited, GENERATE)
    return await permit.reserve("nano", CALL)


class SlowLedger:
    """Answers once `ready` is set."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.reads = 0

    async def spent(self, *_: str) -> int:
        self.reads += 1
        await self.ready.wait()
        return 0


async def come_one_by_one(
    bench: Bench, ledger: SlowLedger, limited: Plan, count: int
) -> list[asyncio.Task[LimiterReservation]]:
    """Requests of a tenant that is new here, while the ledger has not answered yet."""
    limiter = TenantLimiter(bench.authority, "r1", bench.clock, ledger.spent, bench.events.append)
    calls = []
    for _ in range(count):
        calls.append(asyncio.create_task(call(limiter, limited)))
        for _ in range(3):
            await asyncio.sleep(0)
    return calls


async def test_requests_that_come_while_a_budget_is_opened_wait_for_it(bench: Bench) -> None:
    ledger = SlowLedger()
    calls = await come_one_by_one(bench, ledger, LIMITED["budget"], 64)
    ledger.ready.set()

    assert len(await asyncio.gather(*calls)) == 64
    assert ledger.reads == 1


async def test_other_limits_are_decided_while_a_budget_is_opened(bench: Bench) -> None:
    ledger = SlowLedger()
    limited = plan(
        budgets={"tokens": {"day": HUGE}}, rates={"generate": {"requests": per_second(5)}}
    )
    calls = await come_one_by_one(bench, ledger, limited, 8)

    assert [isinstance(each.exception(), RateLimited) for each in calls if each.done()] == [
        True
    ] * 3
    ledger.ready.set()
    assert len(await asyncio.gather(*calls[:5])) == 5


@pytest.mark.parametrize("kind", LIMITED)
async def test_a_request_whose_limit_the_authority_cannot_find_yet_is_refused_with_503(
    bench: Bench, kind: str
) -> None:
    """As a shard that has not collected its tenants."""

    class Collecting:
        async def exchange(
            self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
        ) -> ExchangeResult:
            return ExchangeResult("epoch", 1, tuple(LeaseGrant(-1, 0) for _ in requests))

    with pytest.raises(Overloaded) as refusal:
        await call(bench.limiter(authority=Collecting()), LIMITED[kind])
    assert refusal.value.extensions["limit"]


@pytest.mark.parametrize("kind", LIMITED)
async def test_before_an_outage_is_certain_a_request_is_refused_with_503(
    bench: Bench, kind: str
) -> None:
    authority = Gated(bench.authority)
    authority.down = True
    limiter = bench.limiter(authority=authority)

    with pytest.raises(Overloaded) as refusal:
        await call(limiter, LIMITED[kind])
    assert refusal.value.extensions["limit"]
    assert "limit_hit" not in bench.kinds()


async def test_in_a_certain_outage_the_local_share_is_the_limit(bench: Bench) -> None:
    limited = plan(rates={"generate": {"requests": per_second(5)}})
    authority = Gated(bench.authority)
    authority.down = True
    limiter = bench.limiter(authority=authority)
    for _ in range(10):
        with pytest.raises(Overloaded):
            await limiter.admit("acme", limited, GENERATE)
        await tick(bench, limiter, seconds=0.05)
    await tick(bench, limiter, seconds=1.5)

    await limiter.admit("acme", limited, GENERATE)
    with pytest.raises(RateLimited):
        await limiter.admit("acme", limited, GENERATE)
    assert "limit_hit" in bench.kinds()


class OverAThread:
    """An authority whose answer takes a few milliseconds on its way into the event loop."""

    def __init__(self, behind: Authority) -> None:
        self._behind = behind

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        result = await self._behind.exchange(replica, epoch, ttl_s, requests)
        for _ in range(10):
            await asyncio.sleep(0.001)
        return result


@pytest.mark.parametrize("kind", ["budget", "rate"])
@pytest.mark.parametrize("still_s", [0.2, 2.0])
def test_first_requests_of_a_loop_that_stood_still_are_admitted(kind: str, still_s: float) -> None:
    async def run() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = LoopClock(loop)
        limiter = TenantLimiter(
            OverAThread(MemoryAuthority(clock)), "r1", clock, nothing_spent, lambda _: None
        )
        calls = [asyncio.create_task(call(limiter, LIMITED[kind])) for _ in range(64)]
        await asyncio.sleep(0.0005)
        loop.now += still_s
        return len(await asyncio.gather(*calls))

    assert run_in_virtual_time(run()) == 64
