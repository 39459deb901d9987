"""Values and Protocols of the response cache that cross a stage: entries, tiers, outcomes.

An entry's key is a 32-byte HMAC under its tenant's secret, so no tenant finds another's entry.
Every ingress replica has `Entry`s in memory (L1). The shared tier (L2) and the object store (L3)
have the same as encrypted bytes, which only the tenant's secret decrypts: a tier does not know what
it stores, and a value that was changed in it does not decrypt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from cluster.runtime.pickle_compat import version_tolerant

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ttls:
    """Seconds after `created` up to which an entry is fresh (`soft`), may be served while it is
    refreshed (`hard`), and may be served if computing fails (`error`); soft <= hard <= error.
    """

    soft: float
    hard: float
    error: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached response. `body` is an encoded Completion (deployments/cache/codec.py).

    `as_of` is the number of the last invalidation that was known when computing began: one with a
    higher number that matches the entry makes it invalid. `created` is Unix seconds, `took_s` how
    long computing took. `tags` are the tenant's own names for invalidation.
    """

    tenant: str
    model: str
    as_of: int
    created: float
    took_s: float
    lives: Ttls
    body: bytes
    tags: tuple[str, ...] = ()


class TierUnavailable(Exception):
    """A tier did not answer in time, or not at all; the request goes on without it."""


class Tier(Protocol):
    """Stores bytes under keys for a while. Every method may raise TierUnavailable.

    A tier may evict at any time; it returns exactly what was put, or nothing.
    """

    async def get(self, key: bytes) -> bytes | None: ...

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None: ...

    async def remove(self, key: bytes) -> None: ...

    async def close(self) -> None: ...

    def figures(self) -> Mapping[str, int]:
        """Counts since the start: at least `bytes` and `entries` (stored now, -1: unknown),
        `evictions`, `errors`."""
        ...


@version_tolerant
@dataclass(frozen=True, slots=True)
class LeaseAcquired:
    """The key is missing and this replica shall compute it. `token` is its fencing token; tokens of
    one key rise.
    """

    token: int


@version_tolerant
@dataclass(frozen=True, slots=True)
class LeaseHeldElsewhere:
    """The key is missing, and another replica computes it under `token`."""

    token: int


@version_tolerant
@dataclass(frozen=True, slots=True)
class FollowResult:
    """A follower's result: the frames from number `seen` on, and the state of the computation.

    `stored`: it ended well, `sealed` is the entry. `gone`: it ended without one (it failed, its
    replica died, another began), and the follower looks again.
    """

    state: Literal["running", "stored", "gone"]
    frames: tuple[bytes, ...] = ()
    sealed: bytes | None = None


class SharedTier(Tier, Protocol):
    """A tier of all replicas, which also lets only one of them compute a missing entry.

    A lease ends by itself `lease_s` after it was made or last renewed by `publish`.
    """

    async def get_or_lease(
        self, key: bytes, lease_s: float
    ) -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        """The bytes; else a lease, if no replica holds one. With `lease_s` 0 no lease is made, and
        None says that the key is missing and not leased."""
        ...

    async def publish(self, key: bytes, token: int, frames: Sequence[bytes], lease_s: float) -> int:
        """Renew a lease and append frames to its log; returns the number of followers, or -1 if
        the lease is lost. Frames need only be published once there is a follower, then all from
        the first.
        """
        ...

    async def follow(self, key: bytes, token: int, seen: int, wait_s: float) -> FollowResult:
        """Wait up to `wait_s` for more than `seen` frames, or for the end, of the computation
        `token`. A call counts as following for a few seconds."""
        ...

    async def store(self, key: bytes, token: int, sealed: bytes, ttl_s: float) -> bool:
        """Put the entry and end the lease; False, and nothing is put, if the lease was lost."""
        ...

    async def release(self, key: bytes, token: int) -> None:
        """End a lease without an entry."""
        ...


@dataclass(frozen=True, slots=True)
class Directives:
    """A caller's cache directives (RFC 9111 section 5.2.1, and two fields of our own).

    `no_store`: neither look up nor store. `no_cache`: compute and store. `max_age_s`: no older
    entry. `only_if_cached`: compute nothing. `sampled`: a sampled response may be stored and served
    again. `tags`: names for invalidation.
    """

    no_store: bool = False
    no_cache: bool = False
    only_if_cached: bool = False
    max_age_s: float | None = None
    sampled: bool = False
    tags: tuple[str, ...] = ()


NO_DIRECTIVES = Directives()

Forwarded = Literal["bypass", "request", "miss", "stale"]


@dataclass(slots=True)
class CacheOutcome:
    """Where one response came from; sent as `Cache-Status` (RFC 9211) and `Age`.

    `forwarded` is why the model was asked (None: a hit): not cacheable, requested by the caller,
    missing, too old. `detail` is the tier of a hit (l1, l2, l3, semantic), with `-stale` if it is
    being refreshed and `-error` if computing failed; of a bypass, the reason. `age_s` and `ttl_s`
    (may be negative) are of a hit. `stored`: the computed response is stored. `collapsed`: it was
    computed for another request, which this one joined. `key` is the cache key, empty for a bypass.
    """

    forwarded: Forwarded | None = None
    detail: str = ""
    age_s: float = 0.0
    ttl_s: float = 0.0
    stored: bool = False
    collapsed: bool = False
    key: bytes = b""


@version_tolerant
@dataclass(frozen=True, slots=True)
class TierStats:
    """One tier's metrics since its replicas started; `bytes` and `entries` are stored now (-1:
    unknown)."""

    hits: int = 0
    misses: int = 0
    bytes: int = 0
    entries: int = 0
    evictions: int = 0
    errors: int = 0


@version_tolerant
@dataclass(frozen=True, slots=True)
class SemanticStats:
    """Semantic caching: `compared` requests had a remembered neighbour, `hits` got its response,
    `checks` of those were computed as well, `errors` had another response. `error` is their share,
    `error_upper` its one-sided 95 % upper bound, `bound` the guarantee.
    """

    entries: int
    compared: int
    hits: int
    checks: int
    errors: int
    error: float | None
    error_upper: float
    bound: float


@version_tolerant
@dataclass(frozen=True, slots=True)
class CacheStats:
    """The cache's metrics, summed over `replicas`; a tier that is off is None.

    `errors_covered` counts entries that were served because computing failed, `invalidated` entries
    that were found but invalid, `tokens_saved` the tokens of cached responses that were served.
    """

    replicas: int = 0
    l1: TierStats | None = None
    l2: TierStats | None = None
    l3: TierStats | None = None
    coalesced: int = 0
    stale_served: int = 0
    errors_covered: int = 0
    refreshes: int = 0
    bypassed: int = 0
    computed: int = 0
    stored: int = 0
    invalidated: int = 0
    tokens_saved: int = 0
    semantic: SemanticStats | None = None
