"""Every tier of the response cache of one ingress replica, opened and closed as one.

In: the operator's configuration, tenants' secrets, invalidations, the models. Out: the
ResponseCache that the request path asks, the exact-bytes index of the fast path, and metrics.
"""

from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

from cluster.runtime.clock import Clock
from cluster.tenants.plan import Feature, Plan
from deployments.cache.config import CacheConfig
from deployments.cache.keys import request_bytes_key
from deployments.cache.metrics import ReplicaCacheStats, TenantCacheMetrics
from deployments.cache.policy import EntryPolicy, Freshness, InvalidationSource
from deployments.cache.response_cache import ResponseCache
from deployments.cache.semantic.answer_equivalence import equal, similar_by_embedding
from deployments.cache.semantic.semantic_cache import SemanticCache, embed_with
from deployments.cache.semantic.semantic_lookup import SemanticLookup
from deployments.cache.single_flight.single_flight import SingleFlight
from deployments.cache.single_flight.tiered_fetch import LONGEST_S, TieredFetcher
from deployments.cache.tiers.memory import MemoryEntry, MemoryTier
from deployments.cache.tiers.object_store_tier import ObjectStoreTier
from deployments.contracts.cache import CacheOutcome, Entry, SharedTier, Tier
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.model_fingerprints import ModelFingerprints

_TOKENS = 8  # bytes of the token count at the beginning of a rendered response


class CacheStack:
    """Make one a replica, `start` it on the loop that serves, `close` it there.

    `responses` is None where every tier is off.
    """

    def __init__(
        self,
        config: CacheConfig,
        models: ModelRegistry,
        secret_of: Callable[[str], bytes],
        invalidations: InvalidationSource,
        shared: SharedTier | None,
        home: Path,
        clock: Clock,
        longest_s: float = LONGEST_S,
    ) -> None:
        """`secret_of` raises NotFound; `longest_s` is the longest deadline of any caller."""
        self.fingerprints = ModelFingerprints(models)
        self.memory = MemoryTier(config.memory_bytes, clock) if config.memory_bytes else None
        self.shared = shared
        self.archive: Tier | None = None
        if config.archive is not None:
            archive = config.archive if "://" in config.archive else str(home / config.archive)
            self.archive = ObjectStoreTier(archive, config.archive_bytes, clock)
        self.semantic = _make_semantic(config, models, self.memory)
        self.responses: ResponseCache | None = None
        self._secret_of = secret_of
        self._invalidations = invalidations
        self._clock = clock
        rng, freshness = SystemRandom(), Freshness(config.fresh_s, config.stale_s, config.error_s)
        self._policy = EntryPolicy(self.memory, freshness, invalidations, clock, rng)
        self._fetcher = TieredFetcher(
            self._policy, shared, self.archive, clock, longest_s=longest_s
        )
        if self.memory or shared or self.archive:
            flights = SingleFlight(self._fetcher.fetch, self._policy, clock)
            states = self.fingerprints.by_model
            self.responses = ResponseCache(
                self._policy, flights, states, secret_of, clock, self.semantic
            )

    async def start(self) -> None:
        if self.responses is not None:
            await self.fingerprints.start()

    async def close(self) -> None:
        """End the computations under way, and write what waits to be written."""
        if self.responses is None:
            return
        await self.fingerprints.close()
        await self.responses.flights.close()
        if self.semantic is not None:
            await self.semantic.close()
        await self._fetcher.close()
        for tier in (self.archive, self.shared):
            if tier is not None:
                await tier.close()

    def alias(self, tenant: str, plan: Plan, operation: str, body: bytes) -> bytes:
        """The key of these bytes, sent to this operation under the present plan and models."""
        sampled = Feature.CACHE_SAMPLED in plan.features
        scope = f"{operation} {sampled} {self.fingerprints.version}"
        return request_bytes_key(self._secret_of(tenant), scope, body)

    def get_by_alias(self, alias: bytes) -> MemoryEntry | None:
        """A fresh entry in memory that was the response to these bytes before."""
        memory = self.memory
        if memory is None or alias not in memory.aliases:
            return None
        if self._clock.monotonic() > self._invalidations.current_until:
            return None
        cached = memory.get_by_alias(alias)
        if cached is None or self._policy.state(cached.entry) != "fresh":
            return None
        return cached

    def hit(self, entry: Entry) -> CacheOutcome:
        """The outcome of a hit in memory."""
        age_s = max(0.0, self._clock.wall() - entry.created)
        return CacheOutcome(detail="l1", age_s=age_s, ttl_s=entry.lives.soft - age_s)

    def count(self, tenant: str, tokens: int) -> None:
        """A response of so many tokens came from memory."""
        if self.responses is not None:
            metrics = self.responses.metrics[tenant]
            metrics.l1 += 1
            metrics.tokens_saved += tokens

    def add_alias(
        self, alias: bytes, operation: str, id: str, answer: bytes, tokens: int, key: bytes
    ) -> None:
        """From now on these bytes find the entry under `key`, which is sent as `answer` with
        another id. A response that does not begin with its id is not indexed.
        """
        start = b'{"id":"' + id.encode() + b'"'
        cached = self.memory.get(key) if self.memory is not None else None
        if self.memory is None or cached is None or not answer.startswith(start):
            return
        rendered = tokens.to_bytes(_TOKENS) + answer[len(start) :]
        if operation in cached.views or self.memory.add_rendered(cached, operation, rendered):
            self.memory.put_alias(alias, key)

    def report(self, tenant: str | None) -> ReplicaCacheStats:
        """This replica's metrics: of one tenant or of all, and of each tier."""
        responses = self.responses
        counts = TenantCacheMetrics() if responses is None else responses.metrics.total(tenant)
        tiers = {"l1": self.memory, "l2": self.shared, "l3": self.archive}
        figures = {name: dict(tier.figures()) for name, tier in tiers.items() if tier is not None}
        semantic = None
        if self.semantic is not None and tenant is not None:
            semantic = self.semantic.report(tenant)
        return ReplicaCacheStats(counts, figures, semantic)


def split_rendered(rendered: bytes) -> tuple[int, bytes]:
    """The tokens of a rendered response, and all of it that follows its id."""
    return int.from_bytes(rendered[:_TOKENS]), rendered[_TOKENS:]


def _make_semantic(
    config: CacheConfig, models: ModelRegistry, memory: MemoryTier | None
) -> SemanticLookup | None:
    if config.semantic_model is None or memory is None:
        return None
    embed = embed_with(models.embedder(config.semantic_model), config.semantic_model)
    same = (
        equal
        if config.semantic_alike is None
        else similar_by_embedding(embed, config.semantic_alike)
    )
    semantic = SemanticCache(embed, SystemRandom(), bound=config.semantic_error)
    return SemanticLookup(semantic, same, memory)
