"""Every tier of the cache of one ingress replica, opened and closed as one.

Flows in: what the operator settled, the tenants' side, the models. Flows out: the AnswerCache that
the path asks, and figures.
"""

from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

from cluster.runtime.clock import Clock
from cluster.tenants.plan import Feature, Plan
from deployments.cache.codec import AesGcmCodec
from deployments.cache.config import CacheConfig
from deployments.cache.dependencies import CacheDependencies, InvalidationSource
from deployments.cache.freshness import Freshness
from deployments.cache.keys import request_bytes_key
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
from deployments.cache.tiers.memory_entries import MemoryEntry
from deployments.cache.tiers.object_store_tier import ObjectStoreTier
from deployments.contracts.cache import CacheOutcome, Entry, SharedTier, Tier
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.model_fingerprints import ModelFingerprints

_TOKENS = 8  # bytes of the number of tokens with which a view begins
_MOST_SEALERS = 10_000


class DirectorySecrets:
    """The directory's secrets, and a sealer for each that was used lately."""

    def __init__(self, secret_of: Callable[[str], bytes]) -> None:
        self._secret_of = secret_of
        self._sealers: dict[bytes, AesGcmCodec] = {}

    def of(self, tenant: str) -> bytes:
        """Raises NotFound."""
        return self._secret_of(tenant)

    def sealer(self, tenant: str) -> Encryptor:
        """Raises NotFound."""
        secret = self._secret_of(tenant)
        sealer = self._sealers.get(secret)
        if sealer is None:
            if len(self._sealers) >= _MOST_SEALERS:
                del self._sealers[next(iter(self._sealers))]
            sealer = self._sealers[secret] = AesGcmCodec(secret)
        return sealer


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
        self.states = ModelFingerprints(models)
        self.memory = MemoryTier(config.memory_bytes, clock) if config.memory_bytes else None
        self.shared = shared
        self.archive: Tier | None = None
        if config.archive is not None:
            self.archive = ObjectStoreTier(
                _place(config.archive, home), config.archive_bytes, clock
            )
        self.meaning = _meaning(config, models, self.memory)
        self.answers: ResponseCache | None = None
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
            states=self.states.get,
            clock=clock,
            random=SystemRandom(),
            refusals=NegativeCache(clock),
            meaning=self.meaning,
        )
        self.answers = ResponseCache(self.keeping)

    async def start(self) -> None:
        if self.answers is not None:
            await self.states.start()

    async def close(self) -> None:
        """End what is under way and write what waits to be written."""
        if self.answers is None:
            return
        await self.states.close()
        await self._flights.close()
        if self.meaning is not None:
            await self.meaning.close()
        await self._retrieval.close()
        for tier in (self.archive, self.shared):
            if tier is not None:
                await tier.close()

    def alias(self, tenant: str, plan: Plan, operation: str, body: bytes) -> bytes:
        """The name of these bytes, sent to this operation under what holds now."""
        sampled = Feature.CACHE_SAMPLED in plan.features
        under = f"{operation} {sampled} {self.states.version}"
        return request_bytes_key(self.keeping.secrets.of(tenant), under, body)

    def get_by_alias(self, alias: bytes) -> MemoryEntry | None:
        """A fresh answer in memory that these bytes have led to before."""
        if self.memory is None or not self.keeping.news.is_current:
            return None
        held = self.memory.get_by_alias(alias)
        return held if held is not None and self.keeping.state(held.entry) == "fresh" else None

    def hit(self, entry: Entry) -> CacheOutcome:
        """How an answer from memory is told of."""
        age_s = max(0.0, self.keeping.clock.wall() - entry.created)
        return CacheOutcome(detail="l1", age_s=age_s, ttl_s=entry.lives.soft - age_s)

    def count(self, tenant: str, tokens: int) -> None:
        """An answer of so many tokens came from memory."""
        counts = self.keeping.counts.of(tenant)
        counts.l1 += 1
        counts.tokens_saved += tokens

    def add_alias(
        self, alias: bytes, operation: str, id: str, answer: bytes, tokens: int, key: bytes
    ) -> None:
        """These bytes lead to what is kept under `key`, which is sent as `answer` with another id.

        Nothing is learned of an answer that does not begin with its id.
        """
        start = b'{"id":"' + id.encode() + b'"'
        held = self.memory.get(key) if self.memory is not None else None
        if self.memory is None or held is None or not answer.startswith(start):
            return
        view = tokens.to_bytes(_TOKENS) + answer[len(start) :]
        if operation in held.views or self.memory.add_rendered(held, operation, view):
            self.memory.put_alias(alias, key)

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


def split_rendered(view: bytes) -> tuple[int, bytes]:
    """The tokens of an answer that is kept as it is sent, and all of it that follows its id."""
    return int.from_bytes(view[:_TOKENS]), view[_TOKENS:]


def _place(archive: str, home: Path) -> str:
    return archive if "://" in archive else str(home / archive)
