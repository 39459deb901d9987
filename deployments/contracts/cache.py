"""Cached responses as they cross stages: entries, tiers, compute leases, outcomes.

A response is stored under a 32-byte key, an HMAC under its tenant's secret, so no request of
another tenant can hit it. Every ingress replica holds `Entry`s in memory (L1). The shared (L2) and
the persistent (L3) tier hold the same as encrypted bytes, which only the tenant's secret decrypts:
a tier cannot read its values, and a changed value does not decrypt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from cluster.runtime.pickle_compat import version_tolerant

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ttls:
    """Seconds after `created` up to which a response is fresh (`soft`), may be served stale while
    it is recomputed (`hard`), and may be served where computing fails (`error`); soft <= hard <=
    error (RFC 5861).
    """

    soft: float
    hard: float
    error: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One response. `body` is an encoded Completion (deployments/cache/codec.py).

    `as_of` is the number of the last invalidation that was known when computing began: one with a
    higher number that matches the entry invalidates it. `created` is Unix seconds, `took_s` how
    long computing took. `tags` are the tenant's own labels of the response.
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
    """Stores bytes by key for a time. Every method may raise TierUnavailable.

    A tier may evict at any time; it returns exactly what was put, or nothing.
    """

    async def get(self, key: bytes) -> bytes | None: ...

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None: ...

    async def remove(self, key: bytes) -> None: ...

    async def close(self) -> None: ...

    def figures(self) -> Mapping[str, int]:
        """Counts since the start: at least `bytes` and `entries` (held now, -1: unknown),
        `evictions`, `errors`."""
        ...


@version_tolerant
@dataclass(frozen=True, slots=True)
class LeaseAcquired:
    """The key is missing and the caller has the compute lease; `token` is its fence.

    Tokens of one key rise.
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
    """The state of a flight for a follower: its frames from number `seen` on.

    `stored`: it succeeded, `sealed` is the response. `gone`: it ended without one (it failed, its
    replica died, another one began), and the follower repeats its lookup.
    """

    state: Literal["running", "stored", "gone"]
    frames: tuple[bytes, ...] = ()
    sealed: bytes | None = None


class SharedTier(Tier, Protocol):
    """A tier of all replicas, which also leases the computation of a missing response to one of
    them.

    A compute lease expires `lease_s` after it was acquired or last renewed by `publish`.
    """

    async def get_or_lease(
        self, key: bytes, lease_s: float
    ) -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        """The bytes; else a compute lease, unless it is held. With `lease_s` 0 no lease is
        acquired, and None means that the key is missing and not leased."""
        ...

    async def publish(self, key: bytes, token: int, frames: Sequence[bytes], lease_s: float) -> int:
        """Renew a lease and add frames to its log; returns the number of followers, or -1 when the
        lease is lost. Frames are needed only once there is a follower, then all from the first.
        """
        ...

    async def follow(self, key: bytes, token: int, seen: int, wait_s: float) -> FollowResult:
        """Wait up to `wait_s` for more than `seen` frames, or for the end, of the flight `token`.
        The caller counts as a follower for a few seconds."""
        ...

    async def store(self, key: bytes, token: int, sealed: bytes, ttl_s: float) -> bool:
        """Put the response and release the lease; False, and nothing is put, when it was lost."""
        ...

    async def release(self, key: bytes, token: int) -> None:
        """Release a lease without a response."""
        ...


@dataclass(frozen=True, slots=True)
class Directives:
    """A request's cache directives (RFC 9111 section 5.2.1, and two of our own).

    `no_store`: neither look up nor store. `no_cache`: recompute and store. `max_age_s`: accept
    nothing older. `only_if_cached`: compute nothing. `sampled`: a randomly sampled response may be
    stored and served again. `tags`: labels by which it can be invalidated.
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
    """The result of one lookup; the ingress reports it in `Cache-Status` (RFC 9211) and `Age`.

    `forwarded` is the reason of a model call (None: a hit): not cacheable, refresh requested,
    missing, too old. `detail` is the tier of a hit (l1, l2, l3, semantic), with `-stale` where it
    is being recomputed and `-error` where that failed; of a bypass, the reason. `age_s` and `ttl_s`
    (may be negative) are of a hit. `stored`: the computed response is stored. `collapsed`: it was
    computed for another request, which this one joined. `key` is the key of the response, empty for
    a bypass.
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
    """One tier's counts since its replicas started; `bytes` and `entries` are current (-1:
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
    """Responses to requests of the same meaning: `compared` requests had an indexed neighbour,
    `hits` were served its response, `checks` of those were computed as well, `errors` of the checks
    differed. `error` is their share, `error_upper` its one-sided 95 % upper bound, `bound` the
    configured bound.
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
    """The cache's counts, summed over `replicas`; a tier that is off is None.

    `errors_covered` counts responses that were served because computing failed, `invalidated`
    entries that were found invalid, `tokens_saved` the tokens of served responses.
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
