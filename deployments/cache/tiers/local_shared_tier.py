"""The embedded shared tier: sealed answers and claims in the memory of one process.

In: keys and sealed bytes, on one event loop. Out: the same bytes, or a claim, or news of somebody
else's flight. It has no idea what it keeps, and nobody else's process to talk to.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.runtime.clock import Clock
from deployments.cache.single_flight.compute_leases import GONE, ComputeLeases
from deployments.cache.tiers.sieve import Sieve
from deployments.contracts.cache import FollowResult, LeaseAcquired, LeaseHeldElsewhere

ENTRY_BYTES = 480  # what keeping one answer costs beside it: objects, key, its place in the sieve
LOGS_SHARE = 4  # all logs together take at most 1/LOGS_SHARE of `max_bytes`, and come on top


@dataclass(frozen=True, slots=True)
class _Kept:
    sealed: bytes
    until: float
    token: int  # of the flight that stored it; 0: none did


class InMemorySharedTier:
    """A SharedTier that never raises TierDown.

    The answers take at most `max_bytes`, their overhead included. A follower that is told `stored`
    gets the answer and no more frames. Leases and lives are by `clock`, waiting is in real time.
    """

    def __init__(self, max_bytes: int, clock: Clock) -> None:
        self._clock = clock
        self._kept: Sieve[bytes, _Kept] = Sieve(max_bytes)
        self._claims = ComputeLeases(clock, max_bytes // LOGS_SHARE)
        self._counts: Counter[str] = Counter()

    async def get(self, key: bytes) -> bytes | None:
        kept = self._fresh(key)
        self._counts["hits" if kept else "misses"] += 1
        return kept.sealed if kept else None

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        """Living claims on `key` go on."""
        self._keep(key, sealed, ttl_s, 0)

    async def remove(self, key: bytes) -> None:
        """Living claims on `key` go on."""
        self._kept.remove(key)

    async def close(self) -> None:
        """Nothing is held but memory."""

    def figures(self) -> Mapping[str, int]:
        """As Tier.figures; also `hits`, `misses`, `fenced`, and `claims` and `log_bytes` now."""
        return {
            "bytes": self._kept.bytes,
            "entries": len(self._kept),
            "evictions": self._kept.evictions,
            "errors": 0,
            "hits": self._counts["hits"],
            "misses": self._counts["misses"],
            "fenced": self._counts["fenced"],
            "claims": len(self._claims),
            "log_bytes": self._claims.log_bytes,
        }

    async def get_or_lease(
        self, key: bytes, lease_s: float
    ) -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        sealed = await self.get(key)
        if sealed is not None:
            return sealed
        claim = self._claims.get(key)
        if claim is not None:
            return LeaseHeldElsewhere(claim.token)
        return LeaseAcquired(self._claims.open(key, lease_s).token) if lease_s > 0 else None

    async def publish(self, key: bytes, token: int, frames: Sequence[bytes], lease_s: float) -> int:
        claim = self._claims.get(key, token)
        if claim is None:
            return -1
        self._claims.renew(key, claim, lease_s)
        self._claims.add(claim, frames)
        return claim.followers.count(self._clock.monotonic())

    async def follow(self, key: bytes, token: int, seen: int, wait_s: float) -> FollowResult:
        claim = self._claims.get(key, token)
        if claim is not None:
            return await self._claims.follow(key, claim, seen, wait_s)
        kept = self._fresh(key)
        return FollowResult("stored", (), kept.sealed) if kept and kept.token == token else GONE

    async def store(self, key: bytes, token: int, sealed: bytes, ttl_s: float) -> bool:
        claim = self._claims.get(key, token)
        if claim is None:
            self._counts["fenced"] += 1
            return False
        self._keep(key, sealed, ttl_s, token)
        self._claims.end(key, claim, FollowResult("stored", (), sealed))
        return True

    async def release(self, key: bytes, token: int) -> None:
        claim = self._claims.get(key, token)
        if claim is not None:
            self._claims.end(key, claim, GONE)

    def _fresh(self, key: bytes) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is not None and kept.until <= self._clock.monotonic():
            self._kept.remove(key)
            return None
        return kept

    def _keep(self, key: bytes, sealed: bytes, ttl_s: float, token: int) -> None:
        if ttl_s <= 0:
            self._kept.remove(key)
            return
        kept = _Kept(sealed, self._clock.monotonic() + ttl_s, token)
        self._kept.put(key, kept, len(sealed) + ENTRY_BYTES)
