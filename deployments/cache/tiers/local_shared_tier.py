"""The embedded shared tier (L2): encrypted entries and compute leases in one process's memory.

In: keys and encrypted bytes, on one event loop. Out: the same bytes, a lease, or frames of another
replica's computation. It knows neither what the bytes are nor other processes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.runtime.clock import Clock
from deployments.cache.single_flight.compute_leases import GONE, ComputeLeases
from deployments.cache.tiers.sieve import Sieve
from deployments.contracts.cache import FollowResult, LeaseAcquired, LeaseHeldElsewhere

ENTRY_BYTES = 480  # overhead of one entry: objects, key, its node in the SIEVE queue
LOGS_SHARE = 4  # all logs together take at most 1/LOGS_SHARE of `max_bytes`, and come on top


@dataclass(frozen=True, slots=True)
class _StoredEntry:
    sealed: bytes
    expires: float
    token: int  # of the lease that stored it; 0: stored without one


class InMemorySharedTier:
    """A SharedTier that never raises TierUnavailable.

    The entries take at most `max_bytes`, their overhead included. A follower that gets `stored`
    gets the entry and no more frames. Leases and lifetimes are by `clock`, waiting is in real time.
    """

    def __init__(self, max_bytes: int, clock: Clock) -> None:
        self._clock = clock
        self._entries: Sieve[bytes, _StoredEntry] = Sieve(max_bytes)
        self._leases = ComputeLeases(clock, max_bytes // LOGS_SHARE)
        self._counts: Counter[str] = Counter()

    async def get(self, key: bytes) -> bytes | None:
        entry = self._get_unexpired(key)
        self._counts["hits" if entry else "misses"] += 1
        return entry.sealed if entry else None

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        """A lease on `key` goes on."""
        self._put(key, sealed, ttl_s, 0)

    async def remove(self, key: bytes) -> None:
        """A lease on `key` goes on."""
        self._entries.remove(key)

    async def close(self) -> None:
        """There is nothing to close but memory."""

    def figures(self) -> Mapping[str, int]:
        """As Tier.figures; also `hits`, `misses`, `fenced`, and `claims` and `log_bytes` now."""
        return {
            "bytes": self._entries.bytes,
            "entries": len(self._entries),
            "evictions": self._entries.evictions,
            "errors": 0,
            "hits": self._counts["hits"],
            "misses": self._counts["misses"],
            "fenced": self._counts["fenced"],
            "claims": len(self._leases),
            "log_bytes": self._leases.log_bytes,
        }

    async def get_or_lease(
        self, key: bytes, lease_s: float
    ) -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        sealed = await self.get(key)
        if sealed is not None:
            return sealed
        lease = self._leases.get(key)
        if lease is not None:
            return LeaseHeldElsewhere(lease.token)
        return LeaseAcquired(self._leases.open(key, lease_s).token) if lease_s > 0 else None

    async def publish(self, key: bytes, token: int, frames: Sequence[bytes], lease_s: float) -> int:
        lease = self._leases.get(key, token)
        if lease is None:
            return -1
        self._leases.renew(key, lease, lease_s)
        self._leases.add(lease, frames)
        return lease.followers.count(self._clock.monotonic())

    async def follow(self, key: bytes, token: int, seen: int, wait_s: float) -> FollowResult:
        lease = self._leases.get(key, token)
        if lease is not None:
            return await self._leases.follow(key, lease, seen, wait_s)
        entry = self._get_unexpired(key)
        if entry is None or entry.token != token:
            return GONE
        return FollowResult("stored", (), entry.sealed)

    async def store(self, key: bytes, token: int, sealed: bytes, ttl_s: float) -> bool:
        lease = self._leases.get(key, token)
        if lease is None:
            self._counts["fenced"] += 1
            return False
        self._put(key, sealed, ttl_s, token)
        self._leases.end(key, lease, FollowResult("stored", (), sealed))
        return True

    async def release(self, key: bytes, token: int) -> None:
        lease = self._leases.get(key, token)
        if lease is not None:
            self._leases.end(key, lease, GONE)

    def _get_unexpired(self, key: bytes) -> _StoredEntry | None:
        entry = self._entries.get(key)
        if entry is not None and entry.expires <= self._clock.monotonic():
            self._entries.remove(key)
            return None
        return entry

    def _put(self, key: bytes, sealed: bytes, ttl_s: float, token: int) -> None:
        if ttl_s <= 0:
            self._entries.remove(key)
            return
        entry = _StoredEntry(sealed, self._clock.monotonic() + ttl_s, token)
        self._entries.put(key, entry, len(sealed) + ENTRY_BYTES)
