"""What the cache of one replica stands on, and how good a kept answer is by all of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from cluster.runtime.clock import Clock
from deployments.cache.freshness import Freshness, State
from deployments.cache.keys import answer_key, semantic_context_key
from deployments.cache.lookup_request import Encryptor, LookupRequest
from deployments.cache.metrics import CacheMetrics
from deployments.cache.semantic.semantic_lookup import SemanticLookup
from deployments.cache.single_flight.negative_cache import NegativeCache
from deployments.cache.single_flight.single_flight import SingleFlight
from deployments.cache.tiers.memory import MemoryTier
from deployments.contracts.cache import Entry
from deployments.contracts.generation import GenerateRequest


class InvalidationSource(Protocol):
    """What was invalidated (cluster/invalidation/feed.py)."""

    @property
    def is_current(self) -> bool: ...

    @property
    def generations(self) -> "InvalidationGenerations": ...


class InvalidationGenerations(Protocol):
    """cluster/invalidation/generations.py."""

    @property
    def latest(self) -> int: ...

    def is_valid(self, tenant: str, model: str, tags: tuple[str, ...], as_of: int) -> bool: ...


class TenantSecrets(Protocol):
    """Of tenants: what keys their answers' names, and what seals their answers."""

    def of(self, tenant: str) -> bytes: ...

    def sealer(self, tenant: str) -> Encryptor: ...


@dataclass(frozen=True)
class CacheDependencies:
    """`states` gives what makes a model answer as it does; None: not known yet."""

    memory: MemoryTier | None
    flights: SingleFlight
    freshness: Freshness
    news: InvalidationSource
    secrets: TenantSecrets
    states: Callable[[str], str | None]
    clock: Clock
    random: Random
    refusals: NegativeCache
    counts: CacheMetrics = field(default_factory=CacheMetrics)
    meaning: SemanticLookup | None = None

    def key(self, request: GenerateRequest, tags: Sequence[str], state: str) -> bytes:
        """The name of the answer. Its tags are part of it: whoever gave a tag can rely on it."""
        return answer_key(self.secrets.of(request.caller.tenant), request, _tagged(state, tags))

    def frame(self, ask: LookupRequest) -> bytes:
        """The name of all that a request shares with those it may be compared with by meaning."""
        request = ask.request
        state = self.states(request.model) or ""
        return semantic_context_key(
            self.secrets.of(request.caller.tenant), request, _tagged(state, ask.tags)
        )

    def state(self, entry: Entry) -> State:
        """How good a kept answer is now; what was invalidated is dead."""
        if not self.is_valid(entry):
            return "dead"
        return self.freshness.state(entry, self.clock.wall(), self.random)

    def is_valid(self, entry: Entry) -> bool:
        """Whether nothing was invalidated that the answer belongs to."""
        generations = self.news.generations
        return generations.is_valid(entry.tenant, entry.model, entry.tags, entry.as_of)


def _tagged(state: str, tags: Sequence[str]) -> str:
    return " ".join([state, *sorted(set(tags))])
