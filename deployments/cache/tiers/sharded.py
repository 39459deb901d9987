"""One SharedTier over several: every key has a home, and a shard that fails fails alone.

In: a SharedTier's calls. Out: the same, to the shard that placing.py names. Knows no processes.

All that concerns a claim goes to the key's home whatever its load, so that a key is never claimed
on two shards, and who looks to claim always finds what was stored. Plain reads and puts do without
claims: they go to the next shard in the key's order that has room while the home is overloaded. So
one key may be kept on several shards, in different versions; `remove` asks them all.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from cluster.runtime.clock import Clock
from deployments.cache.tiers.breaker import ConsecutiveFailureBreaker
from deployments.cache.tiers.sharding import ShardSelector
from deployments.contracts.cache import FollowResult, LeaseAcquired, LeaseHeldElsewhere, SharedTier

T = TypeVar("T")
Call = Callable[[SharedTier], Coroutine[Any, Any, T]]


class ShardedTier:
    """`longest` bounds an answer, in bytes: a longer one is not kept."""

    def __init__(
        self,
        shards: Sequence[SharedTier],
        clock: Clock,
        *,
        placing: ShardSelector | None = None,
        longest: int | None = None,
    ) -> None:
        """A shard is known by its place among `shards`: keep the order, add at the end."""
        self._shards = tuple(shards)
        self._placing = placing or ShardSelector([str(n) for n in range(len(self._shards))])
        self._breakers = [ConsecutiveFailureBreaker(clock) for _ in self._shards]
        self._longest = longest
        self._counts: Counter[str] = Counter()

    async def get(self, key: bytes) -> bytes | None:
        return await self._at(self._place(key), lambda shard: shard.get(key))

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        if not self._too_long(sealed):
            await self._at(self._place(key), lambda shard: shard.put(key, sealed, ttl_s))

    async def remove(self, key: bytes) -> None:
        """Raises TierDown, after all were asked, when one of them may have kept a version."""
        everywhere = range(len(self._shards))
        ends = await asyncio.gather(
            *(self._at(place, lambda shard: shard.remove(key)) for place in everywhere),
            return_exceptions=True,
        )
        for end in ends:
            if end is not None:
                raise end

    async def get_or_lease(
        self, key: bytes, lease_s: float
    ) -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        return await self._at(
            self._placing.home(key), lambda shard: shard.get_or_lease(key, lease_s)
        )

    async def publish(self, key: bytes, token: int, frames: Sequence[bytes], lease_s: float) -> int:
        home = self._placing.home(key)
        return await self._at(home, lambda shard: shard.publish(key, token, frames, lease_s))

    async def follow(self, key: bytes, token: int, seen: int, wait_s: float) -> FollowResult:
        """Waiting is no load, and no probe."""
        home = self._placing.home(key)
        with self._breakers[home].call(may_probe=False):
            return await self._shards[home].follow(key, token, seen, wait_s)

    async def store(self, key: bytes, token: int, sealed: bytes, ttl_s: float) -> bool:
        """As in the contract; an answer that is too long only ends the claim."""
        if self._too_long(sealed):
            await self.release(key, token)
            return False
        home = self._placing.home(key)
        return await self._at(home, lambda shard: shard.store(key, token, sealed, ttl_s))

    async def release(self, key: bytes, token: int) -> None:
        await self._at(self._placing.home(key), lambda shard: shard.release(key, token))

    async def close(self) -> None:
        await asyncio.gather(*(shard.close() for shard in self._shards))

    def figures(self) -> Mapping[str, int]:
        """The sums over the shards (-1 where one does not know), `overflows` and `too_long`."""
        each = [shard.figures() for shard in self._shards]
        names = set().union(*each)
        return {
            **{name: _total([figures.get(name, 0) for figures in each]) for name in names},
            "overflows": self._counts["overflows"],
            "too_long": self._counts["too_long"],
        }

    def _place(self, key: bytes) -> int:
        """For a plain read or put. A shard that is left alone takes nobody else's."""
        home = self._placing.home(key)
        if not self._breakers[home].closed:
            return home
        roomy = (place for place in self._placing.has_capacity(key) if self._breakers[place].closed)
        place = next(roomy, home)
        self._counts["overflows"] += place != home
        return place

    async def _at(self, place: int, call: Call[T]) -> T:
        with self._breakers[place].call(), self._placing.call(place):
            return await call(self._shards[place])

    def _too_long(self, sealed: bytes) -> bool:
        too_long = self._longest is not None and len(sealed) > self._longest
        self._counts["too_long"] += too_long
        return too_long


def _total(figures: Sequence[int]) -> int:
    return -1 if -1 in figures else sum(figures)
