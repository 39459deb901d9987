"""Checks of Redis, of the limits' authority and of the shared cache tier."""

import asyncio
from typing import Any, Protocol, runtime_checkable

from redis.asyncio.cluster import RedisCluster

from cluster.health.state import UP, CheckOutcome, down, rate_answers
from deployments.contracts.cache import Tier, TierUnavailable
from deployments.limiter.authority.redis_connection import ERRORS, RedisConnection, connect

KEY, KEY_S = "mobula:health", 60
CACHE_KEY = bytes(32)
TIMEOUT_S = 1.0


class RedisCheck:
    """A write that expires after KEY_S, and in a Redis Cluster a PING of every master. It has a
    connection of its own, because those of limits and cache may be in use."""

    def __init__(self, url: str) -> None:
        """Raises ValueError for what is no URL of a Redis."""
        self._connection: RedisConnection = connect(url, TIMEOUT_S, 2)

    async def __call__(self) -> CheckOutcome:
        client: Any = self._connection.client
        try:
            if isinstance(client, RedisCluster):
                return await _ping_masters(client)
            await client.set(KEY, b"", ex=KEY_S)
        except ERRORS as error:
            self._connection.note(error)
            return down(type(error).__name__)
        return UP

    async def close(self) -> None:
        await self._connection.close()


async def _ping_masters(client: RedisCluster) -> CheckOutcome:
    await client.initialize()
    masters = client.get_primaries()
    pings = [client.execute_command("PING", target_nodes=[master]) for master in masters]
    answers = await asyncio.gather(*pings, return_exceptions=True)
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    return rate_answers(len(masters) - len(failures), len(masters))


@runtime_checkable
class CountsAnswers(Protocol):
    """A client of several shards."""

    async def count_answers(self) -> tuple[int, int]:
        """How many of them answer now, and how many there are."""
        ...


class LimiterState(Protocol):
    """deployments/limiter/tenant_limiter.py"""

    @property
    def authority_is_up(self) -> bool: ...


class LimiterCheck:
    """Whether this replica's exchanges with the authority succeed, and each shard answers."""

    def __init__(self, limiter: LimiterState, authority: object) -> None:
        self._limiter = limiter
        self._authority = authority

    async def __call__(self) -> CheckOutcome:
        found = UP
        if isinstance(self._authority, CountsAnswers):
            found = rate_answers(*await self._authority.count_answers())
        if found is UP and not self._limiter.authority_is_up:
            return down("exchanges of leases fail")
        return found


class CacheTierCheck:
    """A read of a key that nothing has."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier

    async def __call__(self) -> CheckOutcome:
        if isinstance(self._tier, CountsAnswers):
            return rate_answers(*await self._tier.count_answers())
        try:
            await self._tier.get(CACHE_KEY)
        except TierUnavailable as error:
            return down(str(error))
        return UP
