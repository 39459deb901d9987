"""The shared tier (L2) in Redis: entries, leases, and the logs of streams that replicas follow.

In: keys and encrypted bytes. Out: the same, or TierUnavailable after at most `timeout_s`; after a
few of those the circuit breaker raises it at once. Everything expires, and Redis may evict any key
at any moment: what is lost is computed again. Every step is one script, so no two replicas see half
of it.

Followers poll every few milliseconds instead of subscribing: a subscription is a second connection
that may be lost alone, and does not deliver what was published before it or while it was down, so a
follower would have to poll all the same.
"""

import asyncio
import hashlib
import math
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from cluster.resilience.breaker import CircuitBreaker
from cluster.runtime.clock import Clock
from deployments.contracts.cache import (
    FollowResult,
    LeaseAcquired,
    LeaseHeldElsewhere,
    TierUnavailable,
)

LARGEST_BYTES = 8 * 2**20  # of an entry, and of the frames published at once
LONGEST_TTL_S = 30 * 86400.0
FOLLOWING_S = 5.0
FIRST_POLL_S, LONGEST_POLL_S = 0.004, 0.032
BYTES_PER_S = 50e6  # the rate for which large values get more time

_T = TypeVar("_T")
_Names = tuple[str, str, str]


class _Script:
    def __init__(self, name: str) -> None:
        self.text = Path(__file__).with_name(f"redis_{name}.lua").read_text()
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_LOOK, _PUBLISH = _Script("look"), _Script("publish")
_FOLLOW, _FINISH = _Script("follow"), _Script("finish")


class RedisTier:
    """A SharedTier. `timeout_s` bounds every call from waiting for a connection to the end of the
    reply; of `follow` it bounds each poll. Large values get more time.

    A value larger than LARGEST_BYTES is not put, and no lifetime is longer than LONGEST_TTL_S.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        prefix: str = "mobula:cache:",
        timeout_s: float = 0.05,
        connections: int = 32,
    ) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=timeout_s,
            socket_timeout=None,  # it swallows cancellations, and `_bounded` bounds every call
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis: Any = Redis.from_pool(pool)
        self._clock = clock
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._breaker = CircuitBreaker.for_consecutive_failures(clock)
        self._follower_id = uuid.uuid4().hex
        self._counts = {"errors": 0, "refused": 0, "too_large": 0}

    async def get(self, key: bytes) -> bytes | None:
        name = self._names(key)[0]
        return await self._bounded(lambda: self._redis.get(name))

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        if ttl_s > 0 and self._fits(len(sealed)):
            name, ttl_ms = self._names(key)[0], _milliseconds(ttl_s)
            await self._bounded(lambda: self._redis.set(name, sealed, px=ttl_ms), len(sealed))

    async def remove(self, key: bytes) -> None:
        name = self._names(key)[0]
        await self._bounded(lambda: self._redis.delete(name))

    async def close(self) -> None:
        await self._redis.aclose()

    def figures(self) -> Mapping[str, int]:
        """As in the contract; only Redis knows what it holds and evicts. `refused` were not tried
        because Redis was down, `too_large` not put."""
        return {"bytes": -1, "entries": -1, "evictions": 0, **self._counts}

    async def get_or_lease(
        self, key: bytes, lease_s: float
    ) -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        lease_ms = _milliseconds(lease_s) if lease_s > 0 else 0
        reply = await self._run(_LOOK, key, lease_ms)
        if not isinstance(reply, list):
            return reply
        acquired, token = reply
        return LeaseAcquired(token) if acquired else LeaseHeldElsewhere(token)

    async def publish(self, key: bytes, token: int, frames: Sequence[bytes], lease_s: float) -> int:
        """As in the contract. After TierUnavailable it is unknown whether the frames arrived:
        publish no more of them. Frames that are too large together end the lease."""
        size = sum(map(len, frames))
        if not self._fits(size):
            return -1
        arguments = (token, _milliseconds(lease_s), _milliseconds(FOLLOWING_S), *frames)
        return await self._run(_PUBLISH, key, *arguments, size=size)

    async def follow(self, key: bytes, token: int, seen: int, wait_s: float) -> FollowResult:
        until = self._clock.monotonic() + wait_s
        arguments = (token, seen, self._follower_id, _milliseconds(FOLLOWING_S))
        pause_s = FIRST_POLL_S
        while True:
            state, *rest = await self._run(_FOLLOW, key, *arguments)
            left_s = until - self._clock.monotonic()
            if rest or state == b"gone" or left_s <= 0:
                return _follow_result(state, rest)
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, LONGEST_POLL_S)

    async def store(self, key: bytes, token: int, sealed: bytes, ttl_s: float) -> bool:
        """As in the contract; an entry that is too large, or has expired, only ends the lease."""
        if ttl_s <= 0 or not self._fits(len(sealed)):
            await self.release(key, token)
            return False
        arguments = (token, sealed, _milliseconds(ttl_s))
        return bool(await self._run(_FINISH, key, *arguments, size=len(sealed)))

    async def release(self, key: bytes, token: int) -> None:
        await self._run(_FINISH, key, token)

    async def _run(self, script: _Script, key: bytes, *arguments: Any, size: int = 0) -> Any:
        names = self._names(key)
        return await self._bounded(lambda: self._evaluate(script, names, arguments), size)

    async def _evaluate(self, script: _Script, names: _Names, arguments: Sequence[Any]) -> Any:
        try:
            return await self._redis.evalsha(script.sha, len(names), *names, *arguments)
        except NoScriptError:  # first use, or the server was restarted
            return await self._redis.eval(script.text, len(names), *names, *arguments)

    async def _bounded(self, call: Callable[[], Awaitable[_T]], size: int = 0) -> _T:
        """The reply within the time. Raises TierUnavailable, also in place of a call while the
        breaker is open.

        An error reply, such as that its memory is full, shows that Redis itself works.
        """
        self._counts["refused"] += not self._breaker.ready
        with self._breaker.guard(TierUnavailable):
            outcome = await self._outcome(call, self._timeout_s + size / BYTES_PER_S)
        if isinstance(outcome, ResponseError):
            raise TierUnavailable(type(outcome).__name__)
        return outcome

    async def _outcome(
        self, call: Callable[[], Awaitable[_T]], limit_s: float
    ) -> _T | ResponseError:
        try:
            async with asyncio.timeout(limit_s):
                return await call()
        except (RedisError, OSError, TimeoutError) as error:
            self._counts["errors"] += 1
            if isinstance(error, ResponseError):
                return error
            raise TierUnavailable(type(error).__name__) from None

    def _fits(self, size: int) -> bool:
        if size <= LARGEST_BYTES:
            return True
        self._counts["too_large"] += 1
        return False

    def _names(self, key: bytes) -> _Names:
        """Entry, lease and followers, in one slot of a cluster; hex, as a key may contain a `}`."""
        stem = f"{self._prefix}{{{key.hex()}}}"
        return f"{stem}:answer", f"{stem}:flight", f"{stem}:followers"


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(1000 * min(seconds, LONGEST_TTL_S)))


def _follow_result(state: bytes, rest: Sequence[bytes]) -> FollowResult:
    if state == b"stored":
        return FollowResult("stored", sealed=rest[0])
    return FollowResult("gone" if state == b"gone" else "running", tuple(rest))
