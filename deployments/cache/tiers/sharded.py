"""One SharedTier over several shards: every key has a home shard, and shards fail independently.

In: a SharedTier's calls. Out: the same, to the shard that sharding.py selects. Knows no processes.

Every call that concerns a lease goes to the key's home shard whatever its load, so that a key is
never leased on two shards, and the leader's entry is always found there. Plain reads and puts need
no lease: while the home is overloaded they go to the next shard with capacity in the key's
preference list. So a key may be on several shards, in different versions; `remove` asks them all.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from cluster.resilience.breaker import CircuitBreaker
from cluster.runtime.clock import Clock
from deployments.cache.tiers.sharding import ShardSelector
from deployments.contracts.cache import (
    FollowResult,
    LeaseAcquired,
    LeaseHeldElsewhere,
    SharedTier,
    TierUnavailable,
)

T = TypeVar("T")
Call = Callable[[SharedTier], Coroutine[Any, Any, T]]


class ShardedTier:
    """`longest` bounds an entry, in bytes: a longer one is not stored."""

    def __init__(
        self,
        shards: Sequence[SharedTier],
        clock: Clock,
        *,
        selector: ShardSelector | None = None,
        longest: int | None = None,
    ) -> None:
        """A shard is identified by its index in `shards`: keep the order, add at the end."""
        self._shards = tuple(shards)
        self._selector = selector or ShardSelector([str(n) for n in range(len(self._shards))])
        self._breakers = [CircuitBreaker.for_consecutive_failures(clock) for _ in self._shards]
        self._longest = longest
        self._counts: Counter[str] = Counter()

    async def get(self, key: bytes) -> bytes | None:
        return await self._call(self._select(key), lambda shard: shard.get(key))

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        if not self._too_long(sealed):
            await self._call(self._select(key), lambda shard: shard.put(key, sealed, ttl_s))

    async def remove(self, key: bytes) -> None:
        """Raises TierUnavailable, after all were asked, if one of them may still have a version."""
        indexes = range(len(self._shards))
        results = await asyncio.gather(
            *(self._call(index, lambda shard: shard.remove(key)) for index in indexes),
            return_exceptions=True,
        )
        for error in results:
            if error is not None:
                raise error

    async def get_or_lease(
        self, key: bytes, lease_s: float
    ) -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        return await self._call(
            self._selector.home(key), lambda shard: shard.get_or_lease(key, lease_s)
        )

    async def publish(self, key: bytes, token: int, frames: Sequence[bytes], lease_s: float) -> int:
        home = self._selector.home(key)
        return await self._call(home, lambda shard: shard.publish(key, token, frames, lease_s))

    async def follow(self, key: bytes, token: int, seen: int, wait_s: float) -> FollowResult:
        """A waiting follower is no load, and no probe."""
        home = self._selector.home(key)
        with self._breakers[home].guard(TierUnavailable, may_probe=False):
            return await self._shards[home].follow(key, token, seen, wait_s)

    async def store(self, key: bytes, token: int, sealed: bytes, ttl_s: float) -> bool:
        """As in the contract; an entry that is too long only ends the lease."""
        if self._too_long(sealed):
            await self.release(key, token)
            return False
        home = self._selector.home(key)
        return await self._call(home, lambda shard: shard.store(key, token, sealed, ttl_s))

    async def release(self, key: bytes, token: int) -> None:
        await self._call(self._selector.home(key), lambda shard: shard.release(key, token))

    async def close(self) -> None:
        await asyncio.gather(*(shard.close() for shard in self._shards))

    async def count_answers(self) -> tuple[int, int]:
        """How many shards answer now, and how many there are; past their breakers, for reports."""
        key = bytes(32)
        answers = await asyncio.gather(
            *(shard.get(key) for shard in self._shards), return_exceptions=True
        )
        failed = sum(isinstance(answer, TierUnavailable) for answer in answers)
        return len(answers) - failed, len(answers)

    def figures(self) -> Mapping[str, int]:
        """The sums over the shards (-1 if one is unknown), `overflows` and `too_long`."""
        each = [shard.figures() for shard in self._shards]
        names = set().union(*each)
        return {
            **{name: _total([figures.get(name, 0) for figures in each]) for name in names},
            "overflows": self._counts["overflows"],
            "too_long": self._counts["too_long"],
        }

    def _select(self, key: bytes) -> int:
        """The shard for a plain read or put. A shard whose breaker is open takes no overflow."""
        home = self._selector.home(key)
        if not self._breakers[home].closed:
            return home
        candidates = self._selector.with_capacity(key)
        index = next((each for each in candidates if self._breakers[each].closed), home)
        self._counts["overflows"] += index != home
        return index

    async def _call(self, index: int, call: Call[T]) -> T:
        with self._breakers[index].guard(TierUnavailable), self._selector.call(index):
            return await call(self._shards[index])

    def _too_long(self, sealed: bytes) -> bool:
        too_long = self._longest is not None and len(sealed) > self._longest
        self._counts["too_long"] += too_long
        return too_long


def _total(figures: Sequence[int]) -> int:
    return -1 if -1 in figures else sum(figures)
