"""All authorities behind one fixture, and ways to let their time pass and lose their state."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from cluster.runtime.clock import ManualClock
from deployments.contracts.limits import Authority, ExchangeResult, LeaseRequest
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.authority.redis import RedisAuthority
from tests.servers.fixtures import redis_server
from tests.servers.redis_cluster import RedisClusterServers
from tests.servers.redis_server import RedisServer

__all__ = ["redis_server"]


class Restartable:
    """A MemoryAuthority that can die and be started again."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        self._authority = MemoryAuthority(self._clock)

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        return await self._authority.exchange(replica, epoch, ttl_s, requests)


@dataclass
class Subject:
    """An authority, a way to let its time pass, and one to take its state away."""

    authority: Authority
    pass_time: Callable[[float], Awaitable[None]]
    lose_state: Callable[[], None]


@pytest.fixture(
    params=["memory", "redis", pytest.param("redis cluster", marks=pytest.mark.exhaustive)]
)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        clock = ManualClock()
        memory = Restartable(clock)

        async def advance(seconds: float) -> None:
            clock.advance(seconds)

        yield Subject(memory, advance, memory.restart)
        return
    fixture = "redis_server" if request.param == "redis" else "redis_cluster"
    server: RedisServer | RedisClusterServers = request.getfixturevalue(fixture)
    server.flush()
    redis = RedisAuthority(server.url, timeout_s=5.0)
    yield Subject(redis.locate("acme"), asyncio.sleep, server.flush)
    await redis.close()
