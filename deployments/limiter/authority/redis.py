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
_REPLY_FIELDS = 5


class RedisAuthority:
    """Keys are `<prefix>:{<shard>}:...`, so that a shard's keys share one slot of a cluster.

    `timeout_s` bounds connecting and each exchange: longer than a request's patience, so that a
    late result still counts, and short enough to try again soon. Nothing is retried: a repeated
    request is a new one.
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
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        """As in contracts/limits.py."""
        keys = self._keys(requests)
        arguments: list[Any] = [replica, epoch, repr(ttl_s), uuid.uuid4().hex]
        for request in requests:
            arguments += _arguments(request)
        try:
            reply = await self._evaluate(keys, arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise AuthorityUnavailable(type(error).__name__) from None
        return _parse_reply(requests, reply)

    async def warm_up(self) -> None:
        """Connect before the first request; to a Redis that is not up, later."""
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

    def _keys(self, requests: Sequence[LeaseRequest]) -> list[str]:
        tag = tenant_shard(requests[0].spec.key.split("|", 1)[0])
        stem = f"{self._prefix}:{{{tag}}}"
        return [
            f"{stem}:epoch",
            f"{stem}:replicas",
            *(f"{stem}:{request.spec.key}" for request in requests),
        ]


def _arguments(request: LeaseRequest) -> tuple[Any, ...]:
    spec = request.spec
    spec_fields = (spec.kind.value, spec.capacity, repr(spec.rate), repr(spec.until), spec.spent)
    request_fields = (
        request.number,
        request.acked,
        request.holding,
        request.adjust,
        request.need,
        request.waiting,
        request.want,
    )
    return spec_fields + request_fields


def _parse_reply(requests: Sequence[LeaseRequest], reply: list[Any]) -> ExchangeResult:
    epoch, replicas, *rest = reply
    grants = []
    for request, start in zip(requests, range(0, len(rest), _REPLY_FIELDS), strict=True):
        credits, level, retry, known, elsewhere = rest[start : start + _REPLY_FIELDS]
        is_known = bool(known) or request.spec.kind is not BucketKind.BUDGET
        grants.append(LeaseGrant(request.number, credits, level, float(retry), is_known, elsewhere))
    return ExchangeResult(epoch.decode(), replicas, tuple(grants))
