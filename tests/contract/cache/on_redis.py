"""Tiers over one real Redis, as several replicas would have them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis as driver

from cluster.runtime.clock import SystemClock
from deployments.cache.tiers.redis import RedisTier
from deployments.contracts.cache import LeaseAcquired, TierUnavailable
from tests.servers.redis_server import RedisServer

MB = 2**20
TIMEOUT_S = 0.05  # in production
LONG_TIMEOUT_S = 20.0  # no call reaches it, however busy the machine is
LEASE_S = 5.0
KEY = b"}{" + bytes(range(30))


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


@contextmanager
def admin(server: RedisServer) -> Iterator[Any]:
    with driver.Redis.from_url(server.url) as client:
        yield client


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Poll until the condition holds; a tier that is down does not hold it."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if await condition():
                    return
            except TierUnavailable:
                pass
            await asyncio.sleep(0.02)


async def works(tier: RedisTier) -> bool:
    await tier.put(key(9), b"v", 60.0)
    return await tier.get(key(9)) == b"v"


async def claim(tier: RedisTier, of: bytes = KEY, lease_s: float = LEASE_S) -> int:
    found = await tier.get_or_lease(of, lease_s)
    assert isinstance(found, LeaseAcquired)
    return found.token


@pytest.fixture
async def pair(redis_server: RedisServer) -> AsyncIterator[tuple[RedisTier, RedisTier]]:
    """The tiers of two replicas, patient because the tests' machine may be busy."""
    tiers = tuple(
        RedisTier(redis_server.url, SystemClock(), timeout_s=LONG_TIMEOUT_S) for _ in range(2)
    )
    yield tiers[0], tiers[1]
    for tier in tiers:
        await tier.close()


@pytest.fixture
def patient(pair: tuple[RedisTier, RedisTier]) -> RedisTier:
    return pair[0]


@pytest.fixture
async def hasty(redis_server: RedisServer) -> AsyncIterator[RedisTier]:
    """A tier with the timeout of production."""
    tier = RedisTier(redis_server.url, SystemClock(), timeout_s=TIMEOUT_S)
    await until(lambda: works(tier))
    yield tier
    await tier.close()
