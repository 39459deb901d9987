"""The rules of the response cache: what is looked up, what is stored, for how long, what is served.

Never looked up or stored (`ResponseCache` decides that before any tier is asked):
1. What the caller asked not to be stored (`Cache-Control: no-store`).
2. A sampled response: temperature above 0, more than one candidate token (top_k is not 1) and no
   seed. Exception: the request, or its tenant's plan, accepts any one response.
Looked up, but never stored:
3. A truncated response: a choice that ended because it reached a length ("length").
4. A response without any choice.
5. Another model's response, given in place of a model that was unavailable.
6. A cancelled or interrupted response: only a complete Completion is stored.
7. A failure: refused by a limit (429), failed in the model (502, 503), timed out (504). Exception:
   an invalid request (400) is refused by the model every time, so the refusal is remembered for
   `REFUSAL_S` seconds in the replica's memory (negative caching).

The age of an entry decides how it may be served:

    age   0 ......... soft ......... hard .......... error ......
          fresh/early      stale         error-only        dead

Lifetimes are jittered when an entry is made, so that entries made together do not expire together.
Near the end of its freshness an entry is refreshed by a few callers already ("early"), the likelier
the longer computing took: XFetch (Vattani, Chierichetti, Lowenstein, VLDB'15), limited to the
second half of the freshness, so that slow responses are not refreshed from the start.
"""

import copy
import math
import random
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from cluster.runtime.clock import Clock
from cluster.runtime.problems import InvalidRequest, Problem, is_of_callers_limits
from deployments.cache.codec import encode
from deployments.cache.lookup import Lookup
from deployments.cache.tiers.memory import MemoryTier
from deployments.contracts.cache import Entry, Ttls
from deployments.contracts.generation import Completion

REFUSAL_S: Final = 2.0

State = Literal["fresh", "early", "stale", "error-only", "dead"]

_MAX_REFUSALS: Final = 10_000
_HOPELESS: Final = 40.0  # exp(-40): beyond this many computing times XFetch never refreshes


class InvalidationGenerations(Protocol):
    """cluster/invalidation/generations.py."""

    @property
    def latest(self) -> int: ...

    def is_valid(self, tenant: str, model: str, tags: tuple[str, ...], as_of: int) -> bool: ...


class InvalidationSource(Protocol):
    """The invalidations of all tenants (cluster/invalidation/feed.py)."""

    @property
    def generations(self) -> InvalidationGenerations: ...

    @property
    def current_until(self) -> float:
        """Until then (monotonic seconds) `generations` may be relied on."""
        ...


def is_cacheable(completion: Completion) -> bool:
    """Whether every choice came to its own end."""
    for choice in completion.choices:
        if choice.finish_reason == "length":
            return False
    return bool(completion.choices)


def negative_ttl_s(problem: Problem) -> float:
    """Seconds for which this failure may be repeated to an equal request; mostly 0."""
    is_of_model = isinstance(problem, InvalidRequest) and not is_of_callers_limits(problem)
    return REFUSAL_S if is_of_model else 0.0


class NegativeCache:
    """Refusals that the model would repeat, remembered for a moment in this process. Bounded: the
    oldest is forgotten first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: dict[bytes, tuple[float, Problem]] = {}

    def check(self, key: bytes) -> None:
        """Raises the problem that is remembered for `key`."""
        entry = self.entries.get(key)
        if entry is None:
            return
        expires, problem = entry
        if self._clock.monotonic() >= expires:
            del self.entries[key]
            return
        raise copy.copy(problem)

    def add(self, key: bytes, problem: Problem) -> None:
        """Remember the problem if it says that the request itself is invalid."""
        ttl_s = negative_ttl_s(problem)
        if ttl_s <= 0:
            return
        if len(self.entries) >= _MAX_REFUSALS:
            del self.entries[next(iter(self.entries))]
        remembered = copy.copy(problem)
        remembered.__traceback__ = None
        self.entries[key] = (self._clock.monotonic() + ttl_s, remembered)


@dataclass(frozen=True, slots=True)
class Freshness:
    """`soft_s`, `hard_s` and `error_s` as in Ttls; `jitter` is the share by which all three are
    stretched or shrunk together. `eager` is XFetch's beta: above 1 refreshes earlier, 0 never.

    Raises ValueError unless 0 < soft_s <= hard_s <= error_s, 0 <= jitter < 1 and eager >= 0.
    """

    soft_s: float
    hard_s: float
    error_s: float
    jitter: float = 0.1
    eager: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.soft_s <= self.hard_s <= self.error_s < math.inf:
            raise ValueError("lifetimes are finite: 0 < soft_s <= hard_s <= error_s")
        if not 0 <= self.jitter < 1:
            raise ValueError("jitter is a share: 0 <= jitter < 1")
        if not 0 <= self.eager < math.inf:
            raise ValueError("eager is a finite factor of at least 0")

    def ttls(self, rng: random.Random) -> Ttls:
        """The lifetimes of one new entry."""
        factor = 1 + self.jitter * rng.uniform(-1, 1)
        return Ttls(self.soft_s * factor, self.hard_s * factor, self.error_s * factor)

    def state(self, entry: Entry, now: float, rng: random.Random) -> State:
        """How `entry` may be served at `now` (Unix seconds).

        An entry from a machine whose clock is ahead counts as just made.
        """
        age, ttls = now - entry.created, entry.lives
        if age >= ttls.soft:
            if age < ttls.hard:
                return "stale"
            return "error-only" if age < ttls.error else "dead"
        lead = self.eager * entry.took_s
        left = ttls.soft - age
        if left >= lead * _HOPELESS or age < ttls.soft / 2:
            return "fresh"
        return "early" if rng.expovariate(1.0) * lead >= left else "fresh"


class EntryPolicy:
    """Which entries of one replica may be served, and which completions become entries."""

    def __init__(
        self,
        memory: MemoryTier | None,
        freshness: Freshness,
        invalidations: InvalidationSource,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.memory = memory
        self.invalidations = invalidations
        self._freshness = freshness
        self._clock = clock
        self._rng = rng

    def state(self, entry: Entry) -> State:
        """How `entry` may be served now; an invalidated one is dead."""
        generations = self.invalidations.generations
        if entry.as_of < generations.latest and not self.is_valid(entry):
            return "dead"
        return self._freshness.state(entry, self._clock.wall(), self._rng)

    def is_valid(self, entry: Entry) -> bool:
        """Whether no invalidation since `entry` was computed touches it."""
        generations = self.invalidations.generations
        return generations.is_valid(entry.tenant, entry.model, entry.tags, entry.as_of)

    def servable_state(self, lookup: Lookup, entry: Entry) -> State | None:
        """The state of an entry that `lookup` may be answered with; None: it may not.

        An entry that may be served only if computing fails becomes the lookup's fallback.
        """
        state = self.state(entry)
        if state == "dead" or entry.created <= lookup.newer_than:
            return None
        max_age_s = lookup.max_age_s
        if max_age_s is not None and self._clock.wall() - entry.created > max_age_s:
            return None
        if state == "error-only":
            lookup.fallback = entry
            return None
        return state

    def make_entry(self, lookup: Lookup, completion: Completion, took_s: float) -> Entry | None:
        """The entry of a completion that took so long to compute; None: it must not be stored."""
        request, metrics = lookup.request, lookup.metrics
        metrics.computed += 1
        if completion.model not in ("", request.model) or not is_cacheable(completion):
            return None
        try:
            body = encode(completion)
        except UnicodeEncodeError:  # text that is not Unicode
            return None
        metrics.stored += 1
        return self.new_entry(
            request.caller.tenant, request.model, lookup.as_of, took_s, body, lookup.tags
        )

    def new_entry(
        self,
        tenant: str,
        model: str,
        as_of: int,
        took_s: float,
        body: bytes,
        tags: tuple[str, ...] = (),
    ) -> Entry:
        """An entry that is made now; the arguments are as in Entry."""
        lives = self._freshness.ttls(self._rng)
        return Entry(tenant, model, as_of, self._clock.wall(), took_s, lives, body, tags)

    def store_local(self, lookup: Lookup, entry: Entry) -> None:
        """Store an entry in memory (L1)."""
        if self.memory is not None:
            self.memory.put(lookup.key, entry)
