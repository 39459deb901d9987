"""The authority in Redis: the state lives there, the arithmetic is one Lua script.

In: exchanges. Out: grants, by Redis's clock. Tenants are in GROUPS groups; a group is a shard with
an epoch and sessions of its own, and the hash tag of its keys, so that a script finds all of them
in one slot of a Redis Cluster. Exchanges of one turn of the event loop, which is what a tick of the
limiter begins, travel in one pipeline: one round trip for each Redis and tick; in a Redis Cluster
one for each group, so that a node that does not answer fails its own groups only.

Redis must not evict (`maxmemory-policy noeviction`); a flush or a restart without its data is
noticed by the epoch. A failover that loses the last writes may admit once more what they recorded.
"""

import asyncio
import hashlib
import itertools
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError

from cluster.runtime.background import create_detached_task
from cluster.runtime.redis_url import is_cluster_url
from deployments.contracts.limits import (
    AuthorityUnavailable,
    BucketKind,
    ExchangeResult,
    LeaseGrant,
    LeaseRequest,
)
from deployments.limiter.authority.redis_connection import ERRORS, RedisConnection, connect

GROUPS = 16  # of tenants; more than a Redis Cluster for limits has masters
_SCRIPT = Path(__file__).with_name("gcra.lua").read_text()
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_REPLY_FIELDS = 6


class RedisAuthority:
    """AuthorityShards: one for each group of tenants.

    `timeout_s` bounds connecting and each exchange: longer than a request's patience, so that a
    late result still counts, and short enough to try again soon. Nothing is retried: a repeated
    request is a new one.
    """

    def __init__(
        self, url: str, *, prefix: str = "mobula", timeout_s: float = 0.25, connections: int = 16
    ) -> None:
        self._connection = connection = connect(url, timeout_s, connections)
        shared = None if is_cluster_url(url) else _ScriptPipeline(connection)
        self._groups = [
            RedisGroup(shared or _ScriptPipeline(connection), f"{prefix}:limits:{{{number}}}")
            for number in range(GROUPS)
        ]

    def locate(self, tenant: str) -> "RedisGroup":
        """The group of the tenant; it never changes."""
        return self._groups[zlib.crc32(tenant.encode()) % GROUPS]

    async def warm_up(self) -> None:
        """Connect before the first request; to a Redis that is not up, later."""
        await self._connection.warm_up()

    async def close(self) -> None:
        await self._connection.close()


class RedisGroup:
    """An Authority of some tenants: the keys that begin with `stem`, and the tag in it."""

    def __init__(self, pipeline: "_ScriptPipeline", stem: str) -> None:
        self._pipeline = pipeline
        self._stem = stem

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        """As in contracts/limits.py: one call of the script for each tenant, or one without any."""
        head = (replica, epoch, repr(ttl_s), uuid.uuid4().hex)
        tenants = [list(some) for _, some in itertools.groupby(requests, key=_tenant)] or [[]]
        try:
            replies = await asyncio.gather(
                *(self._pipeline.evaluate(self._keys(some), [*head, *_flat(some)])
                  for some in tenants)
            )  # fmt: skip
        except ERRORS as error:
            raise AuthorityUnavailable(type(error).__name__) from None
        grants = [
            grant
            for some, reply in zip(tenants, replies, strict=True)
            for grant in _parse_grants(some, reply[3:])
        ]
        latest = replies[-1]
        return ExchangeResult(latest[0].decode(), latest[1], tuple(grants), bool(replies[0][2]))

    def _keys(self, requests: Sequence[LeaseRequest]) -> list[str]:
        buckets = (f"{self._stem}:{request.spec.key}" for request in requests)
        names = ("epoch", "replicas", "sessions")
        return [*(f"{self._stem}:{name}" for name in names), *buckets]


class _ScriptPipeline:
    """Calls of the script that begin in one turn of the event loop, sent together."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._calls: list[tuple[tuple[Any, ...], asyncio.Future[list[Any]]]] = []

    async def evaluate(self, keys: Sequence[str], arguments: Sequence[Any]) -> list[Any]:
        """The script's reply. Raises one of ERRORS."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()
        if not self._calls:
            loop.call_soon(lambda: create_detached_task(self._send()))
        self._calls.append(((len(keys), *keys, *arguments), future))
        return await future

    async def _send(self) -> None:
        calls, self._calls = self._calls, []
        try:
            replies = await self._execute("EVALSHA", _SHA, [call for call, _ in calls])
            unknown = [
                index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)
            ]
            if unknown:  # first use, or the server was restarted
                unloaded = [calls[index][0] for index in unknown]
                again = await self._execute("EVAL", _SCRIPT, unloaded)
                for index, reply in zip(unknown, again, strict=True):
                    replies[index] = reply
        except ERRORS as error:
            replies = [error] * len(calls)
        for (_, future), reply in zip(calls, replies, strict=True):
            if isinstance(reply, BaseException):
                self._connection.note(reply)
            if future.done():
                continue
            if isinstance(reply, BaseException):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    async def _execute(self, command: str, script: str, calls: Sequence[Any]) -> list[Any]:
        """A reply or an exception for each call."""
        pipeline = self._connection.client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(command, script, *call)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies


def _tenant(request: LeaseRequest) -> str:
    return request.spec.key.split("|", 1)[0]


def _flat(requests: Sequence[LeaseRequest]) -> list[Any]:
    """The arguments of the script for these buckets."""
    flat: list[Any] = []
    for request in requests:
        spec = request.spec
        flat += (spec.kind.value, spec.capacity, repr(spec.rate), repr(spec.until), spec.spent)
        flat += (request.number, request.acked, request.holding, request.adjust)
        flat += (request.need, request.waiting, request.want)
    return flat


def _parse_grants(requests: Sequence[LeaseRequest], reply: list[Any]) -> list[LeaseGrant]:
    grants = []
    for request, start in zip(requests, range(0, len(reply), _REPLY_FIELDS), strict=True):
        credits, level, retry, known, elsewhere, learns = reply[start : start + _REPLY_FIELDS]
        is_known = bool(known) or request.spec.kind is not BucketKind.BUDGET
        grants.append(
            LeaseGrant(
                request.number, credits, level, float(retry), is_known, elsewhere, float(learns)
            )
        )
    return grants
