"""The web application with three text models: `words`, whose fallbacks are `spare` and `last`."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path as FilePath

import httpx
import pytest

from cluster.invalidation.generations import Generations
from cluster.resilience.failure_class import Unavailable
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import ManualClock
from cluster.tenants.policy import CallerPolicies
from deployments.cache.config import CacheConfig
from deployments.content.registry import ProviderRegistry
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.http.app import create_app
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from tests.api.caching.answers import News
from tests.api.fakes import LettersEmbedder, Records, WordsModel
from tests.api.web import MakeServices, client_of

AWAY = Unavailable("'words' cannot be reached now.", retry_after_s=7)
FALLBACKS = {
    "words": ResilienceSpec(fallback=("spare", "last")),
    "letters": ResilienceSpec(fallback=("other-letters",)),
}


@pytest.fixture
def others() -> Mapping[str, WordsModel]:
    return {"spare": WordsModel("from the spare"), "last": WordsModel("at last")}


@pytest.fixture
def other_embedder() -> LettersEmbedder:
    return LettersEmbedder("other-letters")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def models(
    model: WordsModel,
    others: Mapping[str, WordsModel],
    embedder: LettersEmbedder,
    other_embedder: LettersEmbedder,
    clock: ManualClock,
) -> ModelRegistry:
    embedders = {"letters": embedder, "other-letters": other_embedder}
    return ModelRegistry({"words": model, **others}, clock, embedders, FALLBACKS)


@pytest.fixture
async def caches(
    models: ModelRegistry, tmp_path: FilePath, clock: ManualClock
) -> AsyncIterator[CacheStack]:
    config = CacheConfig(memory_bytes=1 << 20, fresh_s=60, stale_s=60, error_s=600)
    news = News(Generations())
    made = CacheStack(config, models, lambda _: b"a" * 32, news, None, tmp_path, clock)
    await made.fingerprints.refresh()
    yield made
    await made.close()


@pytest.fixture
def policies() -> dict[str, CallerPolicies]:
    """Of keys that have any, by key id; a test may change them."""
    return {}


@pytest.fixture
def web(
    make_services: MakeServices,
    models: ModelRegistry,
    caches: CacheStack,
    records: Records,
    policies: dict[str, CallerPolicies],
) -> httpx.AsyncClient:
    recorder = UsageRecorder(records, TokenEstimator({}))
    services = replace(
        make_services(),
        models=models,
        model_pipeline=ModelPipeline(models, recorder, caches.responses),
        embedding_pipeline=EmbeddingPipeline(models, records),
        providers=ProviderRegistry(models.ids, "words", {}),
        rendered_responses=caches.rendered,
        policies=policies,
    )
    return client_of(create_app(services))
