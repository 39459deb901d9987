"""Connections to the Redis, or the Redis Cluster, of the limits.

In: `MOBULA_REDIS_URL`. Out: a client whose commands are tried once and end in time. A cluster's URL
has the scheme `redis+cluster` (`rediss+cluster` with TLS) and one or several of its nodes:
`redis+cluster://user:password@host-1:6379,host-2:6379`; it finds the others itself.
"""

import asyncio
import math
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, ConnectionError, RedisClusterException, RedisError
from redis.exceptions import TimeoutError as ReplyTimeout

from cluster.runtime.background import create_detached_task
from cluster.runtime.redis_url import CLUSTER_SCHEMES, is_cluster_url

ERRORS = (RedisError, RedisClusterException, OSError, TimeoutError)
_OF_NODES = (ConnectionError, ReplyTimeout, ClusterDownError, RedisClusterException, OSError)
_REFRESH_EVERY_S = 0.5
_PER_NODE = 64  # connections: a pipeline that is under way has one, and there are 16 groups


class RedisConnection(Protocol):
    """`client` is redis-py's."""

    client: Any

    async def warm_up(self) -> None:
        """Connect before the first command; nothing where that is not possible yet."""
        ...

    def note(self, error: BaseException) -> None:
        """A command has failed."""
        ...

    async def close(self) -> None: ...


class SingleRedis:
    """A RedisConnection to one server."""

    def __init__(self, url: str, timeout_s: float, connections: int) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self.client: Any = Redis.from_pool(pool)

    async def warm_up(self) -> None:
        with suppress(*ERRORS):
            await self.client.ping()

    def note(self, error: BaseException) -> None:
        """A connection that was lost is opened by the next command."""

    async def close(self) -> None:
        await self.client.aclose()


class RedisClusterNodes:
    """A RedisConnection to the masters of a cluster; it follows slots that have moved.

    After a failure of a node it asks again which node has which slots, so that it finds a replica
    that took over.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        user, separator, hosts = parts.netloc.rpartition("@")
        first, *others = hosts.split(",")
        scheme = CLUSTER_SCHEMES[parts.scheme]
        self.client = RedisCluster.from_url(
            parts._replace(scheme=scheme, netloc=f"{user}{separator}{first}").geturl(),
            startup_nodes=[_node(host) for host in others],
            require_full_coverage=False,  # a missing master concerns its own slots only
            reinitialize_steps=0,  # which would end the connections to all nodes
            max_connections=_PER_NODE,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._refreshed_at = -math.inf
        self._refresh: asyncio.Task[None] | None = None

    async def warm_up(self) -> None:
        with suppress(*ERRORS):
            await self.client.initialize()

    def note(self, error: BaseException) -> None:
        now = asyncio.get_running_loop().time()
        is_due = now >= self._refreshed_at + _REFRESH_EVERY_S
        if isinstance(error, _OF_NODES) and self._refresh is None and is_due:
            self._refreshed_at = now
            self._refresh = create_detached_task(self._find_nodes())

    async def close(self) -> None:
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait((self._refresh,))
        await self.client.aclose()

    async def _find_nodes(self) -> None:
        try:
            with suppress(*ERRORS):
                await self.client.nodes_manager.initialize()
        finally:
            self._refresh = None


def connect(url: str, timeout_s: float, connections: int) -> RedisConnection:
    """Raises ValueError for what is no URL of a Redis. Nothing is sent yet. `connections` bounds
    those to one server."""
    if is_cluster_url(url):
        return RedisClusterNodes(url, timeout_s)
    return SingleRedis(url, timeout_s, connections)


def _node(host: str) -> ClusterNode:
    parts = urlsplit(f"//{host}")
    if parts.hostname is None:
        raise ValueError("MOBULA_REDIS_URL: a node of the cluster has no name")
    return ClusterNode(parts.hostname, parts.port or 6379)
