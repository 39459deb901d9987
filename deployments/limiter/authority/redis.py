"""The authority in Redis: the state lives there, the arithmetic is one Lua script.

In: exchanges. Out: grants, after one round trip, by Redis's clock. Redis must not evict
(`maxmemory-policy noeviction`); a flush or a restart without its data is noticed by the epoch. A
failover that loses the last writes may admit once more what they recorded.
"""

import hashlib
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from deployments.contracts.limits import (
    AuthorityUnavailable,
    BucketKind,
    ExchangeResult,
    LeaseGrant,
    LeaseRequest,
)
from deployments.limiter.limits import tenant_shard

_SCRIPT = Path(__file__).with_name("gcra.lua").read_text()
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_PER_GRANT = 5


class RedisAuthority:
    """Keys are `<prefix>:{<shard>}:...`, so that a shard's keys share one slot of a cluster.

    `timeout_s` bounds connecting and each answer: longer than a request's patience, so that a slow
    answer still counts, and short enough to look again soon. Nothing is retried: a repeated ask
    is a new one.
    """

    def __init__(
        self, url: str, *, prefix: str = "mobula", timeout_s: float = 0.25, connections: int = 16
    ) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis.from_pool(pool)
        self._prefix = prefix

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, asks: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        """As in contracts/limits.py."""
        keys = self._keys(asks)
        arguments: list[Any] = [replica, epoch, repr(ttl_s), uuid.uuid4().hex]
        for ask in asks:
            arguments += _arguments(ask)
        try:
            answer = await self._evaluate(keys, arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise AuthorityUnavailable(type(error).__name__) from None
        return _exchange(asks, answer)

    async def warm_up(self) -> None:
        """Connect before the first request does; a Redis that is away is met again later."""
        with suppress(RedisError, OSError, TimeoutError):
            redis: Any = self._redis
            await redis.ping()

    async def close(self) -> None:
        await self._redis.aclose()

    async def _evaluate(self, keys: list[str], arguments: list[Any]) -> list[Any]:
        redis: Any = self._redis
        try:
            return await redis.evalsha(_SHA, len(keys), *keys, *arguments)
        except NoScriptError:  # first use, or the server was restarted
            return await redis.eval(_SCRIPT, len(keys), *keys, *arguments)

    def _keys(self, asks: Sequence[LeaseRequest]) -> list[str]:
        tag = tenant_shard(asks[0].spec.key.split("|", 1)[0])
        stem = f"{self._prefix}:{{{tag}}}"
        return [f"{stem}:epoch", f"{stem}:replicas", *(f"{stem}:{ask.spec.key}" for ask in asks)]


def _arguments(ask: LeaseRequest) -> tuple[Any, ...]:
    spec = ask.spec
    of_spec = (spec.kind.value, spec.capacity, repr(spec.rate), repr(spec.until), spec.spent)
    of_ask = (ask.number, ask.acked, ask.holding, ask.adjust, ask.need, ask.waiting, ask.want)
    return of_spec + of_ask


def _exchange(asks: Sequence[LeaseRequest], answer: list[Any]) -> ExchangeResult:
    epoch, replicas, *rest = answer
    grants = []
    for ask, at in zip(asks, range(0, len(rest), _PER_GRANT), strict=True):
        credits, level, retry, known, elsewhere = rest[at : at + _PER_GRANT]
        is_known = bool(known) or ask.spec.kind is not BucketKind.BUDGET
        grants.append(LeaseGrant(ask.number, credits, level, float(retry), is_known, elsewhere))
    return ExchangeResult(epoch.decode(), replicas, tuple(grants))
