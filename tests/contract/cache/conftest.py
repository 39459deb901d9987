"""Every tier behind one fixture, every shared tier behind another. Time is real: tests poll."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from cluster.runtime.clock import SystemClock
from deployments.cache.tiers.local_shared_tier import InMemorySharedTier
from deployments.cache.tiers.object_store_tier import ObjectStoreTier
from deployments.cache.tiers.redis import RedisTier
from deployments.cache.tiers.sharded import ShardedTier
from deployments.contracts.cache import SharedTier, Tier
from tests.contract.cache.on_disk import archive, clock, opened
from tests.contract.cache.on_redis import hasty, pair, patient
from tests.servers.fixtures import redis_server
from tests.servers.redis_server import RedisServer

__all__ = [
    "archive",
    "clock",
    "hasty",
    "opened",
    "pair",
    "patient",
    "redis_server",
]

MB = 1 << 20
SHARED = ("single", "sharded", "redis")


@dataclass
class Subject:
    """A shared tier, and a way to count what it stores: entries, claims, logs, followers."""

    tier: SharedTier
    stored: Callable[[], Awaitable[int]]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Poll until the condition holds."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


def embedded(tier: SharedTier) -> Subject:
    async def stored() -> int:
        figures = tier.figures()
        return figures["entries"] + figures["claims"] + figures["log_bytes"]

    return Subject(tier, stored)


def on_redis(server: RedisServer) -> Subject:
    async def stored() -> int:
        async with Redis.from_url(server.url) as client:
            return int(await client.dbsize())

    return Subject(RedisTier(server.url, SystemClock(), timeout_s=5.0), stored)


def subject_of(kind: str, request: pytest.FixtureRequest) -> Subject:
    if kind == "redis":
        return on_redis(request.getfixturevalue("redis_server"))
    cache_shards = [InMemorySharedTier(32 * MB, SystemClock()) for _ in range(3)]
    tier = cache_shards[0] if kind == "single" else ShardedTier(cache_shards, SystemClock())
    return embedded(tier)


@pytest.fixture(params=SHARED)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    found = subject_of(request.param, request)
    yield found
    await found.tier.close()


@pytest.fixture
def shared(subject: Subject) -> SharedTier:
    return subject.tier


@pytest.fixture(params=[*SHARED, "archive"])
async def tier(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tier]:
    if request.param == "archive":
        found: Tier = ObjectStoreTier(str(tmp_path / "l3"), 64 * MB, SystemClock(), timeout_s=5.0)
    else:
        found = subject_of(request.param, request).tier
    yield found
    await found.close()
