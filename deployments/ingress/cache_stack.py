"""Every tier of the cache of one ingress replica, opened and closed as one.

Flows in: what the operator settled, the tenants' side, the models. Flows out: the AnswerCache that
the path asks, and figures.
"""

from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

from cluster.runtime.clock import Clock
from deployments.cache.codec import AesGcmCodec
from deployments.cache.config import CacheConfig
from deployments.cache.dependencies import CacheDependencies, InvalidationSource
from deployments.cache.freshness import Freshness
from deployments.cache.lookup_request import Encryptor
from deployments.cache.metrics import TenantCacheMetrics
from deployments.cache.response_cache import ResponseCache
from deployments.cache.semantic.answer_equivalence import equal, similar_by_embedding
from deployments.cache.semantic.embedding import vectors_of
from deployments.cache.semantic.semantic_cache import SemanticCache
from deployments.cache.semantic.semantic_lookup import SemanticLookup
from deployments.cache.single_flight.negative_cache import NegativeCache
from deployments.cache.single_flight.single_flight import SingleFlight
from deployments.cache.single_flight.tiered_fetcher import LONGEST_S, TieredFetcher
from deployments.cache.stats import ReplicaCacheStats
from deployments.cache.tiers.memory import MemoryTier
from deployments.cache.tiers.object_store_tier import ObjectStoreTier
from deployments.contracts.cache import SharedTier, Tier
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.fast_path import RenderedResponses
from deployments.ingress.pipeline.model_fingerprints import ModelFingerprints

_MAX_CODECS = 10_000


class DirectorySecrets:
    """Tenants' secrets, and a codec for each that was used lately. `of` raises NotFound."""

    def __init__(self, secret_of: Callable[[str], bytes]) -> None:
        self.of = secret_of
        self._codecs: dict[bytes, AesGcmCodec] = {}

    def sealer(self, tenant: str) -> Encryptor:
        """Raises NotFound."""
        secret = self.of(tenant)
        codec = self._codecs.get(secret)
        if codec is None:
            if len(self._codecs) >= _MAX_CODECS:
                del self._codecs[next(iter(self._codecs))]
            codec = self._codecs[secret] = AesGcmCodec(secret)
        return codec


class CacheStack:
    """Make one a replica, `start` it on the loop that serves, `close` it there.

    `answers` is None where every tier is off.
    """

    def __init__(
        self,
        config: CacheConfig,
        models: ModelRegistry,
        secret_of: Callable[[str], bytes],
        news: InvalidationSource,
        shared: SharedTier | None,
        home: Path,
        clock: Clock,
        longest_s: float = LONGEST_S,
    ) -> None:
        """`longest_s` is the most time that any caller may have."""
        self.fingerprints = ModelFingerprints(models)
        self.memory = MemoryTier(config.memory_bytes, clock) if config.memory_bytes else None
        self.shared = shared
        self.archive: Tier | None = None
        if config.archive is not None:
            self.archive = ObjectStoreTier(
                _place(config.archive, home), config.archive_bytes, clock
            )
        self.meaning = _meaning(config, models, self.memory)
        self.answers: ResponseCache | None = None
        self.rendered: RenderedResponses | None = None
        if not (self.memory or self.shared or self.archive):
            return
        self._retrieval = TieredFetcher(shared, self.archive, clock, longest_s=longest_s)
        self._flights = SingleFlight(self._retrieval, clock)
        self.keeping = CacheDependencies(
            memory=self.memory,
            flights=self._flights,
            freshness=Freshness(config.fresh_s, config.stale_s, config.error_s),
            news=news,
            secrets=DirectorySecrets(secret_of),
            states=self.fingerprints.by_model.get,
            clock=clock,
            random=SystemRandom(),
            refusals=NegativeCache(clock),
            meaning=self.meaning,
        )
        self.answers = ResponseCache(self.keeping)
        if self.memory is not None:
            self.rendered = RenderedResponses(
                self.memory, self.keeping, self.fingerprints, secret_of
            )

    async def start(self) -> None:
        if self.answers is not None:
            await self.fingerprints.start()

    async def close(self) -> None:
        """End what is under way and write what waits to be written."""
        if self.answers is None:
            return
        await self.fingerprints.close()
        await self._flights.close()
        if self.meaning is not None:
            await self.meaning.close()
        await self._retrieval.close()
        for tier in (self.archive, self.shared):
            if tier is not None:
                await tier.close()

    def report(self, tenant: str | None) -> ReplicaCacheStats:
        """What this replica's cache did, for one tenant or for all, and what it holds."""
        counts = TenantCacheMetrics() if self.answers is None else self.keeping.counts.total(tenant)
        tiers = {"l1": self.memory, "l2": self.shared, "l3": self.archive}
        held = {name: dict(tier.figures()) for name, tier in tiers.items() if tier is not None}
        semantic = None
        if self.meaning is not None and tenant is not None:
            semantic = self.meaning.report(tenant)
        return ReplicaCacheStats(counts, held, semantic)


def _meaning(
    config: CacheConfig, models: ModelRegistry, memory: MemoryTier | None
) -> SemanticLookup | None:
    if config.semantic_model is None or memory is None:
        return None
    embed = vectors_of(models.embedder(config.semantic_model), config.semantic_model)
    same = (
        equal
        if config.semantic_alike is None
        else similar_by_embedding(embed, config.semantic_alike)
    )
    semantic = SemanticCache(embed, SystemRandom(), bound=config.semantic_error)
    return SemanticLookup(semantic, same, memory)


def _place(archive: str, home: Path) -> str:
    return archive if "://" in archive else str(home / archive)
