"""The web application with three text models: `words`, whose fallbacks are `spare` and `last`."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path as FilePath

import httpx
import pytest

from cluster.clock import ManualClock
from cluster.invalidation.generations import Generations
from cluster.resilience.spec import ResilienceSpec
from cluster.resilience.verdicts import Unavailable
from cluster.tenants.plan import Plan
from deployments.cache.config import CacheConfig
from deployments.content.registry import Providers
from deployments.ingress.app import create_app
from deployments.ingress.caches import Caches
from deployments.ingress.embedding_path import EmbeddingPath
from deployments.ingress.estimates import Estimates
from deployments.ingress.models import Models
from deployments.ingress.path import Path
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
) -> Models:
    embedders = {"letters": embedder, "other-letters": other_embedder}
    return Models({"words": model, **others}, clock, embedders, FALLBACKS)


@pytest.fixture
async def caches(models: Models, tmp_path: FilePath, clock: ManualClock) -> AsyncIterator[Caches]:
    config = CacheConfig(memory_bytes=1 << 20, fresh_s=60, stale_s=60, error_s=600)
    news = News(Generations())
    made = Caches(config, models, lambda _: b"a" * 32, news, None, tmp_path, clock)
    await made.states.refresh()
    yield made
    await made.close()


@pytest.fixture
def web(
    make_services: MakeServices, models: Models, caches: Caches, plan: Plan, records: Records
) -> httpx.AsyncClient:
    path = Path(models, lambda _: plan, Estimates({}), records, caches.answers)
    services = replace(
        make_services(),
        models=models,
        path=path,
        embeddings=EmbeddingPath(models, lambda _: plan, records),
        providers=Providers(dict.fromkeys(models.ids, path), "words", {}),
        cache=caches,
    )
    return client_of(create_app(services))
