"""The client of the `Cache-0` ... deployments: a SharedTier behind Serve handles.

In: a SharedTier's calls. Out: the replica's result in time, or TierUnavailable. The shard is
selected by deployments/cache/tiers/sharded.py.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray.serve.handle import DeploymentHandle, DeploymentResponse

from cluster.resilience.ray_errors import REMOTE_ERRORS
from cluster.runtime.clock import Clock, SystemClock
from deployments.cache.tiers.sharded import ShardedTier
from deployments.contracts.cache import (
    FollowResult,
    LeaseAcquired,
    LeaseHeldElsewhere,
    TierUnavailable,
)

_CLOCK = SystemClock()

# RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH bounds a message, by default 4 MiB.
MAX_ENTRY_BYTES = (4 << 20) - (64 << 10)


class CacheShardClient:
    """A SharedTier whose state is in the one replica behind `handle`.

    A handle's methods are made once: every `.options()` starts a metrics pusher and a long poll.
    Serve waits for a replica without end, so each call is cancelled after `timeout_s`. A cancelled
    `get_or_lease` may hold the compute lease until that expires.
    """

    def __init__(self, handle: DeploymentHandle, timeout_s: float) -> None:
        pickled = handle.options(request_serialization="pickle", response_serialization="pickle")
        names = (
            "get",
            "put",
            "remove",
            "get_or_lease",
            "publish",
            "follow",
            "store",
            "release",
        )
        self._methods = {name: getattr(pickled, name) for name in names}
        self._check_health = handle.check_health
        self._timeout_s = timeout_s
        self._counts: Counter[str] = Counter()

    async def warm_up(self, timeout_s: float) -> None:
        with contextlib.suppress(TierUnavailable):
            await self._send(self._check_health.remote, timeout_s)

    async def get(self, key: bytes) -> bytes | None:
        return await self._call("get", key)

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        await self._call("put", key, sealed, ttl_s)

    async def remove(self, key: bytes) -> None:
        await self._call("remove", key)

    async def get_or_lease(
        self, key: bytes, lease_s: float
    ) -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        return await self._call("get_or_lease", key, lease_s)

    async def publish(self, key: bytes, token: int, frames: Sequence[bytes], lease_s: float) -> int:
        return await self._call("publish", key, token, tuple(frames), lease_s)

    async def follow(self, key: bytes, token: int, seen: int, wait_s: float) -> FollowResult:
        return await self._call("follow", key, token, seen, wait_s, wait_s=wait_s)

    async def store(self, key: bytes, token: int, sealed: bytes, ttl_s: float) -> bool:
        return await self._call("store", key, token, sealed, ttl_s)

    async def release(self, key: bytes, token: int) -> None:
        await self._call("release", key, token)

    async def close(self) -> None:
        """Serve owns the handle."""

    def figures(self) -> Mapping[str, int]:
        """Counted on this side."""
        return {"bytes": -1, "entries": -1, "evictions": -1, "errors": self._counts["errors"]}

    async def _call(self, name: str, *arguments: Any, wait_s: float = 0.0) -> Any:
        method = self._methods[name].remote
        return await self._send(lambda: method(*arguments), self._timeout_s + wait_s)

    async def _send(self, send: Callable[[], DeploymentResponse], timeout_s: float) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                return await _or_cancel(send())
        except TimeoutError:
            self._counts["errors"] += 1
            raise TierUnavailable(f"no answer in {timeout_s:g} s") from None
        except REMOTE_ERRORS as error:
            self._counts["errors"] += 1
            raise TierUnavailable(type(error).__name__) from None


class CacheClient(ShardedTier):
    """The shards behind `handles`, in the order of their deployments' numbers."""

    def __init__(
        self,
        handles: Sequence[DeploymentHandle],
        timeout_s: float = 0.25,
        *,
        clock: Clock = _CLOCK,
        longest: int = MAX_ENTRY_BYTES,
    ) -> None:
        """`timeout_s` bounds each call, plus a follower's wait; `longest` is in bytes."""
        self._clients = tuple(CacheShardClient(handle, timeout_s) for handle in handles)
        super().__init__(self._clients, clock, longest=longest)

    async def warm_up(self, timeout_s: float = 30.0) -> None:
        """Connect before the first request; to replicas that are not up, later."""
        await asyncio.gather(*(shard.warm_up(timeout_s) for shard in self._clients))


async def _or_cancel(response: DeploymentResponse) -> Any:
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise
