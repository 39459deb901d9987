"""Every tier of the response cache of one ingress replica, opened and closed as one.

In: the operator's configuration, tenants' secrets, invalidations, the models. Out: the
ResponseCache that the request path asks, the RenderedResponses of the fast path, the AnalysisCache,
and metrics.
"""

from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

from cluster.runtime.clock import Clock
from cluster.storage.object_store import store_location
from deployments.cache.config import CacheConfig
from deployments.cache.metrics import ReplicaCacheStats, TenantCacheMetrics
from deployments.cache.policy import EntryPolicy, Freshness, InvalidationSource
from deployments.cache.response_cache import ResponseCache
from deployments.cache.semantic.answer_equivalence import equal, similar_by_embedding
from deployments.cache.semantic.semantic_cache import SemanticCache, embed_with
from deployments.cache.semantic.semantic_lookup import SemanticLookup
from deployments.cache.single_flight.single_flight import SingleFlight
from deployments.cache.single_flight.tiered_fetch import LONGEST_S, TieredFetcher
from deployments.cache.tiers.memory import MemoryTier
from deployments.cache.tiers.object_store_tier import ObjectStoreTier
from deployments.contracts.cache import SharedTier, Tier
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.analysis_cache import AnalysisCache
from deployments.ingress.pipeline.fast_path import RenderedResponses
from deployments.ingress.pipeline.model_fingerprints import ModelFingerprints


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
            archive = store_location(config.archive, home)
            self.archive = ObjectStoreTier(archive, config.archive_bytes, clock)
        self.semantic = _make_semantic(config, models, self.memory)
        self.responses: ResponseCache | None = None
        self.rendered: RenderedResponses | None = None
        self.analysis: AnalysisCache | None = None
        rng, freshness = SystemRandom(), Freshness(config.fresh_s, config.stale_s, config.error_s)
        policy = EntryPolicy(self.memory, freshness, invalidations, clock, rng)
        self._fetcher = TieredFetcher(policy, shared, self.archive, clock, longest_s=longest_s)
        if self.memory or shared or self.archive:
            flights = SingleFlight(self._fetcher.fetch, policy, clock)
            states = self.fingerprints.by_model
            self.responses = ResponseCache(policy, flights, states, secret_of, clock, self.semantic)
            if self.memory is not None:
                self.rendered = RenderedResponses(
                    self.memory, policy, self.responses.metrics, self.fingerprints, secret_of, clock
                )
                self.analysis = AnalysisCache(
                    self.memory, policy, self.responses.metrics, secret_of, clock
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
