"""Answers as the cache's stages hand them on: what is kept, where, and for how long.

An answer is kept under a 32-byte key, an HMAC under its tenant's secret, so nobody finds another
tenant's answer by asking for it. Every ingress replica keeps `Entry`s in memory (L1). Shared (L2)
and lasting (L3) tiers keep the same as sealed bytes, which only the tenant's secret opens: a tier
never knows what it holds, and what was changed in it does not open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from cluster.runtime.pickle_compat import version_tolerant

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ttls:
    """Seconds after `created` up to which an answer is fresh (`soft`), may be served while it is
    computed anew (`hard`), and may be served because computing fails (`error`); soft <= hard <=
    error.
    """

    soft: float
    hard: float
    error: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer. `body` is an encoded Completion (deployments/cache/codec.py).

    `as_of` is the number of the last invalidation that was known when computing began: one with a
    higher number that touches the entry makes it worthless. `created` is Unix seconds, `took_s`
    how long computing took. `tags` are the tenant's own words for what the answer is about.
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
    """Keeps bytes under keys for a while. Every method may raise TierDown.

    A tier forgets when it likes; what it gives back is exactly what was put, or nothing.
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
    """The key is missing and the asker shall compute it; `token` proves so, and fences later ones.

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
    """What a follower is told: the frames from number `seen` on, and how the flight stands.

    `stored`: it ended well, `sealed` is the answer. `gone`: it ended without one (it failed, its
    replica died, another began), and the follower looks anew.
    """

    state: Literal["running", "stored", "gone"]
    frames: tuple[bytes, ...] = ()
    sealed: bytes | None = None


class SharedTier(Tier, Protocol):
    """A tier of all replicas, which also sees to it that one of them computes a missing answer.

    A claim ends by itself `lease_s` after it was made or last renewed by `publish`.
    """

    async def get_or_lease(
        self, key: bytes, lease_s: float
    ) -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        """The bytes; else a claim, if nobody holds one. With `lease_s` 0 nothing is claimed, and
        None says that the key is missing and free."""
        ...

    async def publish(self, key: bytes, token: int, frames: Sequence[bytes], lease_s: float) -> int:
        """Renew a claim and add frames to its log; returns how many follow it now, or -1 when the
        claim is lost. Frames need only be published once somebody follows, then all from the first.
        """
        ...

    async def follow(self, key: bytes, token: int, seen: int, wait_s: float) -> FollowResult:
        """Wait up to `wait_s` for more than `seen` frames, or for the end, of the flight `token`.
        Asking counts as following for a few seconds."""
        ...

    async def store(self, key: bytes, token: int, sealed: bytes, ttl_s: float) -> bool:
        """Put the answer and end the claim; False, and nothing is put, when the claim was lost."""
        ...

    async def release(self, key: bytes, token: int) -> None:
        """End a claim without an answer."""
        ...


@dataclass(frozen=True, slots=True)
class Directives:
    """What a caller says about the cache (RFC 9111 section 5.2.1, and two fields of our own).

    `no_store`: neither look nor keep. `no_cache`: compute anew, and keep. `max_age_s`: take nothing
    older. `only_if_cached`: compute nothing. `sampled`: an answer that was drawn at random may be
    kept, and given again. `tags`: under which it can be invalidated.
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
    """How the cache came by one answer; the ingress tells it in `Cache-Status` (RFC 9211), `Age`.

    `forwarded` is why the model was asked (None: a hit): it may not be kept, the caller wanted it
    new, it was missing, it was too old. `detail` is the tier of a hit (l1, l2, l3, semantic),
    with `-stale` where it is being computed anew and `-error` where that failed; of a bypass, why.
    `age_s` and `ttl_s` (may be negative) are of a hit. `stored`: what was computed is kept.
    `collapsed`: it was computed for another request, which this one joined. `key` is the name under
    which the answer is or would be kept, empty for a bypass.
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
    """What one tier did since its replicas started; `bytes` and `entries` are held now (-1: it
    cannot tell)."""

    hits: int = 0
    misses: int = 0
    bytes: int = 0
    entries: int = 0
    evictions: int = 0
    errors: int = 0


@version_tolerant
@dataclass(frozen=True, slots=True)
class SemanticStats:
    """Answers given to requests of the same meaning: `compared` requests met a remembered one,
    `hits` got its answer, `checks` of those were computed as well, `errors` came out otherwise.
    `error` is their share, `error_upper` its one-sided 95 % upper bound, `bound` the promise.
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
    """What the cache did, summed over `replicas`; a tier that is off is None.

    `errors_covered` is answers that were served because computing failed, `invalidated` those that
    were found and were worthless by then, `tokens_saved` the tokens of what was served.
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
