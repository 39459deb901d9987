"""What one model call asks of the cache, and one lookup on its way through the tiers: plain data.

A `CacheContext` belongs to a call (one HTTP request), a `Lookup` to one generation request of it.
Nothing here decides or calls anything.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cluster.tenants.caller import Priority
from deployments.cache.metrics import TenantCacheMetrics
from deployments.contracts.cache import NO_DIRECTIVES, CacheOutcome, Directives, Entry
from deployments.contracts.generation import Chunk, Completion, GenerateRequest
from deployments.contracts.text_generator import TextGenerator

if TYPE_CHECKING:
    from deployments.cache.semantic.semantic_lookup import SemanticMatch
    from deployments.cache.single_flight.in_flight import InFlightComputation

_URGENCY = {Priority.INTERACTIVE: 0, Priority.STANDARD: 1, Priority.BATCH: 2}


# What a trace shows of a lookup beyond memory: an entry of the same meaning, the shared tier (L2),
# another replica's computation, another request's in this replica, the object store (L3).
SEMANTIC, SHARED, FOLLOW = "cache.semantic", "cache.shared", "cache.follow"
JOIN, ARCHIVE = "cache.join", "cache.archive"


class WaitObserver(Protocol):
    """Is notified when a request begins and ends waiting for a model or another computation, and of
    the parts of its lookup (deployments/ingress/context.py: ModelWaitTimer)."""

    def opened(self) -> float:
        """Returns the time."""
        ...

    def answered(self) -> float:
        """Returns the time."""
        ...

    def add_stage(self, name: str, since: float) -> None:
        """A part of the lookup has ended now."""
        ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Around such a part."""
        ...


class _NoObserver:
    def opened(self) -> float:
        return 0.0

    def answered(self) -> float:
        return 0.0

    def add_stage(self, name: str, since: float) -> None: ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()


NO_OBSERVER = _NoObserver()


class Encryptor(Protocol):
    """Encrypts entries and stream chunks so that only their tenant's secret decrypts them."""

    def encrypt(self, key: bytes, entry: Entry) -> bytes: ...

    def decrypt(self, key: bytes, sealed: bytes) -> Entry | None: ...

    def encrypt_frames(self, key: bytes, chunks: tuple[Chunk, ...]) -> bytes: ...

    def decrypt_frames(self, key: bytes, sealed: bytes) -> tuple[Chunk, ...] | None: ...


class EntryRules(Protocol):
    """Which entries answer a lookup, and which completions are stored: `policy.EntryPolicy`."""

    def servable_state(self, lookup: "Lookup", entry: Entry) -> object | None: ...

    def make_entry(
        self, lookup: "Lookup", completion: Completion, took_s: float
    ) -> Entry | None: ...

    def store_local(self, lookup: "Lookup", entry: Entry) -> None: ...


@dataclass(slots=True)
class CacheContext:
    """The call that a request belongs to. `served` gets one outcome for each request of the call.

    `sampled`: the tenant's plan allows sampled responses to be cached. `semantic`: it allows
    responses to requests of the same meaning. `last` is the outcome of the latest request.
    """

    served: list[CacheOutcome]
    directives: Directives = NO_DIRECTIVES
    sampled: bool = False
    semantic: bool = False
    waiting: WaitObserver | None = None
    last: CacheOutcome | None = None


@dataclass(slots=True, eq=False)
class Lookup:
    """One lookup of one response.

    `generator` computes the response if it is missing. `recompute`: do not look, compute and store.
    `only_if_cached`: look, and never compute. `as_of` is the number of the last invalidation known
    at the start. `newer_than`: entries created until then will not do (Unix seconds).

    The rest is filled in on the way: `fallback` is an entry that may be served only if computing
    fails, `flight` the computation that was waited for last, `joined` whether another request
    started that.
    """

    key: bytes
    request: GenerateRequest
    generator: TextGenerator
    encryptor: Encryptor
    streaming: bool = False
    recompute: bool = False
    only_if_cached: bool = False
    max_age_s: float | None = None
    newer_than: float = float("-inf")
    as_of: int = 0
    tags: tuple[str, ...] = ()
    outcome: CacheOutcome = field(default_factory=CacheOutcome)
    metrics: TenantCacheMetrics = field(default_factory=TenantCacheMetrics)
    waiting: WaitObserver = NO_OBSERVER
    fallback: Entry | None = None
    match: "SemanticMatch | None" = None
    flight: "InFlightComputation | None" = None
    joined: bool = False

    @property
    def urgency(self) -> int:
        """0 is the most urgent."""
        return _URGENCY[self.request.priority]

    @property
    def deterministic(self) -> bool:
        """Whether computing again gives the same text."""
        sampling = self.request.sampling
        return sampling.temperature == 0 or sampling.top_k == 1 or sampling.seed is not None
