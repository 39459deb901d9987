"""The limiter over a real Redis that is killed, frozen, flushed and slow; and over a race."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median

import pytest

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Overloaded, QuotaExceeded, RateLimited
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import UsageAmounts
from deployments.contracts.limits import Authority
from deployments.limiter.authority.redis import RedisAuthority
from deployments.limiter.bucket_arithmetic import LEASED
from deployments.limiter.events import LimitEvent
from deployments.limiter.tenant_limiter import TenantLimiter
from load_tests.benchmarks.limits.simulated_limiters import (
    count_ideal_admissions,
    nothing_spent,
)
from tests.cluster.shots import Shot, worst_excess
from tests.contract.limiter.conftest import Subject
from tests.servers.redis_server import RedisServer

TTL_S = 0.3
TIMEOUT_S = 0.25  # of an exchange with Redis: who waited for it would wait so long
RATE, BURST = 100, 50
GENERATE = RequestClass.GENERATE
LIMITED = Plan.model_validate(
    {
        "id": "p",
        "rates": {"generate": {"requests": {"limit": RATE, "per": "second", "burst": BURST}}},
    }
)
BUDGETED = Plan.model_validate({"id": "b", "budgets": {"tokens": {"day": 1000}}})


@asynccontextmanager
async def fleet(
    authority: Authority, count: int, events: list[LimitEvent], patience_s: float = 0.04
) -> AsyncIterator[list[TenantLimiter]]:
    limiters = [
        TenantLimiter(
            authority,
            f"r{number}",
            SystemClock(),
            nothing_spent,
            events.append,
            ttl_s=TTL_S,
            patience_s=patience_s,
        )
        for number in range(count)
    ]
    for limiter in limiters:
        await limiter.start()
    try:
        yield limiters
    finally:
        for limiter in limiters:
            await limiter.close()


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 60.0) -> None:
    """Poll until the condition holds."""
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.02)


async def drive(
    limiters: list[TenantLimiter], seconds: float, offered: float = 300.0
) -> list[Shot]:
    """Requests at random moments, with status 200 or 429."""
    rng = random.Random(1)

    async def one(limiter: TenantLimiter) -> Shot:
        sent, status = time.monotonic(), 200
        try:
            (await limiter.admit("acme", LIMITED, GENERATE)).close()
        except (RateLimited, Overloaded):
            status = 429
        return Shot(sent, time.monotonic(), status)

    tasks = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        tasks.append(asyncio.create_task(one(rng.choice(limiters))))
        await asyncio.sleep(rng.expovariate(offered))
    return await asyncio.gather(*tasks)


def excess(*phases: list[Shot]) -> float:
    """By how much some interval surely let in more than RATE and BURST allow; 0 is exact."""
    return worst_excess([shot for shots in phases for shot in shots], RATE, BURST)


def admitted(shots: list[Shot]) -> int:
    return sum(shot.status == 200 for shot in shots)


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[RedisAuthority]:
    authority = RedisAuthority(redis_server.url, timeout_s=TIMEOUT_S)
    yield authority
    await authority.close()


async def test_over_a_real_redis_no_interval_is_exceeded(redis: RedisAuthority) -> None:
    async with fleet(redis, 4, [], patience_s=2.0) as limiters:
        shots = await drive(limiters, 2.0)

    offered = [shot.sent for shot in shots]
    assert admitted(shots) >= 0.8 * count_ideal_admissions(offered, RATE, BURST)
    assert excess(shots) <= 0


async def test_while_redis_is_frozen_nobody_waits_for_it(
    redis: RedisAuthority, redis_server: RedisServer
) -> None:
    events: list[LimitEvent] = []
    async with fleet(redis, 4, events) as limiters:
        before = await drive(limiters, 1.0)
        redis_server.freeze()
        during = await drive(limiters, 2.0)
        redis_server.thaw()
        await until(lambda: all(limiter.authority_is_up for limiter in limiters))
        await asyncio.sleep(TTL_S)
        after = await drive(limiters, 1.0)

    assert admitted(during) > 0
    assert median(shot.took for shot in during) < TIMEOUT_S
    assert excess(before, during) <= 4  # a request for each replica
    assert excess(after) <= 0
    assert {"authority_down", "authority_up"} <= {event.kind for event in events}


async def test_after_redis_was_killed_limits_start_empty(
    redis: RedisAuthority, redis_server: RedisServer
) -> None:
    async with fleet(redis, 2, []) as limiters:
        await drive(limiters, 0.5)
        redis_server.kill()
        await drive(limiters, 0.3)
        await until(lambda: not any(limiter.authority_is_up for limiter in limiters))
        redis_server.restart()
        back_at = time.monotonic()
        await until(lambda: all(limiter.authority_is_up for limiter in limiters))
        shots = await drive(limiters, 1.0)
        took_s = time.monotonic() - back_at

    assert admitted(shots) <= RATE * took_s + 2


async def test_after_a_flush_limits_start_empty(
    redis: RedisAuthority, redis_server: RedisServer
) -> None:
    async with fleet(redis, 2, [], patience_s=2.0) as limiters:
        before = await drive(limiters, 0.7)
        redis_server.flush()
        after = await drive(limiters, 0.7)

    assert admitted(after)
    assert excess(before, after) <= BURST * LEASED  # leases in hand at the flush


async def test_hard_budgets_refuse_without_redis_and_go_on_exactly_after_it(
    redis: RedisAuthority, redis_server: RedisServer
) -> None:
    async with fleet(redis, 1, [], patience_s=2.0) as (limiter,):
        permit = await limiter.admit("acme", BUDGETED, GENERATE)
        (await permit.reserve("nano", UsageAmounts(600, 0))).settle(UsageAmounts(600, 0))
        redis_server.freeze()
        with pytest.raises(Overloaded, match="tokens-day") as refusal:
            await permit.reserve("nano", UsageAmounts(300, 0))
        assert refusal.value.headers["Retry-After"] == "2"

        redis_server.thaw()
        await until(lambda: limiter.authority_is_up)
        await permit.reserve("nano", UsageAmounts(400, 0))
        with pytest.raises(QuotaExceeded):
            await permit.reserve("nano", UsageAmounts(1, 0))


async def test_a_redis_that_is_not_there_is_not_waited_for() -> None:
    nowhere = RedisAuthority("redis://127.0.0.1:1/0", timeout_s=TIMEOUT_S)
    async with fleet(nowhere, 1, []) as (limiter,):
        shots = await drive([limiter], 1.0)
    await nowhere.close()

    assert admitted(shots)
    assert median(shot.took for shot in shots) < TIMEOUT_S


async def test_64_racing_clients_spend_a_budget_to_the_unit(subject: Subject) -> None:
    spent = 0

    async def client(limiter: TenantLimiter, rng: random.Random) -> None:
        nonlocal spent
        permit = await limiter.admit("acme", BUDGETED, GENERATE)
        refused = 0
        while refused < 3:
            asked = rng.randint(1, 7) if refused == 0 else 1
            try:
                reservation = await permit.reserve("nano", UsageAmounts(asked, 0))
            except QuotaExceeded:
                refused += 1
                await asyncio.sleep(0.5)  # as long as a denial is remembered
                continue
            refused = 0
            used = rng.randint(1, asked)
            await asyncio.sleep(rng.uniform(0, 0.01))
            reservation.settle(UsageAmounts(used, 0))
            spent += used
        permit.close()

    async with fleet(subject.authority, 4, [], patience_s=5.0) as limiters:
        await asyncio.gather(*(client(limiters[i % 4], random.Random(i)) for i in range(64)))

    assert spent == 1000


async def test_slots_of_killed_and_aborted_requests_come_back(subject: Subject) -> None:
    slotted = Plan.model_validate({"id": "s", "concurrency": {"limit": 40}})

    async def stream(limiter: TenantLimiter) -> None:
        permit = await limiter.admit("acme", slotted, GENERATE)
        try:
            await asyncio.sleep(60)
        finally:
            permit.close()

    async def whole(limiter: TenantLimiter) -> bool:
        """Whether all 40 can be open at once; asked as time passes."""
        await subject.pass_time(0.02)
        permits = []
        try:
            for _ in range(40):
                permits.append(await limiter.admit("acme", slotted, GENERATE))
        except RateLimited:
            return False
        finally:
            for permit in permits:
                permit.close()
        return True

    async with fleet(subject.authority, 3, [], patience_s=5.0) as limiters:
        for _ in range(20):
            tasks = [asyncio.create_task(stream(limiters[i % 2])) for i in range(20)]
            await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        held = [await limiters[0].admit("acme", slotted, GENERATE) for _ in range(5)]
        ticker = limiters[0]._ticker
        assert ticker is not None
        ticker.cancel()  # killed: five slots, and nobody to renew them

        await until(lambda: whole(limiters[1]), seconds=8 * 3 * TTL_S)
        assert len(held) == 5
        limiters.pop(0)


async def test_a_redis_over_its_memory_is_an_authority_that_is_down(
    redis: RedisAuthority, redis_server: RedisServer
) -> None:
    import redis as driver

    with driver.Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory", 1)
        try:
            async with fleet(redis, 1, []) as (limiter,):
                with pytest.raises(Overloaded, match="generate-requests"):
                    await limiter.admit("acme", LIMITED, GENERATE)
                assert not limiter.authority_is_up
        finally:
            client.config_set("maxmemory", 0)
