"""The one caller of the `Cache-0` ... deployments' handles: a SharedTier on the far side of a hop.

In: a SharedTier's calls. Out: the replica's answer within its time, or TierDown. Which shard is
asked is for deployments/cache/tiers/sharded.py to say.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponse

from cluster.runtime.clock import Clock, SystemClock
from deployments.cache.tiers.sharded import ShardedTier
from deployments.contracts.cache import (
    FollowResult,
    LeaseAcquired,
    LeaseHeldElsewhere,
    TierUnavailable,
)

# Serve hands on what gRPC raises, and a RuntimeError for what it does not know.
_REMOTE = (RayError, RayServeException, grpc.RpcError, RuntimeError)

_CLOCK = SystemClock()

# What a message may hold is RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH, by default 4 MiB.
LONGEST = (4 << 20) - (64 << 10)


class RemoteShard:
    """A SharedTier whose state is in the one replica behind `handle`.

    A handle's methods are made once: every `.options()` starts a metrics pusher and a long poll.
    Serve looks for a replica without end, so each call has `timeout_s` and is cancelled after it.
    A look that is cancelled may have claimed: the claim then ends with its lease.
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
            "figures",
        )
        self._methods = {name: getattr(pickled, name) for name in names}
        self._check_health = handle.check_health
        self._timeout_s = timeout_s
        self._counts: Counter[str] = Counter()

    async def warm_up(self, within_s: float) -> None:
        with contextlib.suppress(TierUnavailable):
            await self._answer(self._check_health.remote, within_s)

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
        """What is known on this side."""
        return {"bytes": -1, "entries": -1, "evictions": -1, "errors": self._counts["errors"]}

    async def held(self) -> Mapping[str, int]:
        """As Shelf.figures, from the replica. Raises TierDown."""
        return await self._call("figures")

    async def _call(self, name: str, *arguments: Any, wait_s: float = 0.0) -> Any:
        call = self._methods[name].remote
        return await self._answer(lambda: call(*arguments), self._timeout_s + wait_s)

    async def _answer(self, send: Callable[[], DeploymentResponse], within_s: float) -> Any:
        try:
            async with asyncio.timeout(within_s):
                return await _or_cancel(send())
        except TimeoutError:
            self._counts["errors"] += 1
            raise TierUnavailable(f"no answer in {within_s:g} s") from None
        except _REMOTE as error:
            self._counts["errors"] += 1
            raise TierUnavailable(type(error).__name__) from None


class RemoteCache(ShardedTier):
    """The shards behind `handles`, in the order of their deployments' numbers."""

    def __init__(
        self,
        handles: Sequence[DeploymentHandle],
        timeout_s: float = 0.25,
        *,
        clock: Clock = _CLOCK,
        longest: int = LONGEST,
    ) -> None:
        """`timeout_s` is for each call, beside what a follower waits; `longest` is in bytes."""
        self._remote = tuple(RemoteShard(handle, timeout_s) for handle in handles)
        super().__init__(self._remote, clock, longest=longest)

    async def warm_up(self, within_s: float = 30.0) -> None:
        """Meet the replicas before the first request does; who is not up is met later."""
        await asyncio.gather(*(shard.warm_up(within_s) for shard in self._remote))

    async def held(self) -> Sequence[Mapping[str, int] | None]:
        """Each replica's figures, as Shelf.figures; None for one that does not answer."""
        return await asyncio.gather(*(_or_none(shard.held()) for shard in self._remote))


async def _or_cancel(response: DeploymentResponse) -> Any:
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise


async def _or_none(asked: Awaitable[Mapping[str, int]]) -> Mapping[str, int] | None:
    try:
        return await asked
    except TierUnavailable:
        return None
