"""The web application with several models of each kind, and other names for them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import httpx
import pytest

from cluster.invalidation.generations import Generations
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import ManualClock
from cluster.tenants.plan import Plan
from cluster.tenants.settings import NO_SETTINGS, TenantSettings
from deployments.cache.config import CacheConfig
from deployments.content.registry import ProviderRegistry
from deployments.contracts.moderation import RULES
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.handle_api import HandleApi
from deployments.ingress.http.app import create_app
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.model_names import ModelNames
from deployments.ingress.names.spec import NameSettings, NamesSpec
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.services import AppServices
from tests.api.caching.answers import News
from tests.api.fakes import LettersEmbedder, Records, WordsClassifier, WordsModel
from tests.api.web import MakeServices, client_of

ALIASES: dict[str, Any] = {
    "gpt-4o-mini": "words",
    "openai/*": "openai-{}",
    "forbidden": "openai-o3",
    "canary": {"weights": {"words": 1, "spare": 1}},
    "mine": {"weights": {"words": 1, "spare": 1}, "sticky": "user"},
    "by-size": {"rules": [{"max_prompt_bytes": 20, "to": "spare"}], "otherwise": "words"},
    "by-kind": {
        "rules": [
            {"modalities": ["tools"], "to": "spare"},
            {"modalities": ["structured_output"], "to": "openai-gpt-4o"},
        ],
        "otherwise": "words",
    },
    "by-tenant": {"rules": [{"tenants": ["ac*"], "to": "spare"}], "otherwise": "words"},
    "text-embedding-3-small": "letters",
    "ada": {"rules": [{"max_prompt_bytes": 3, "to": "letters"}], "otherwise": "other-letters"},
    "rerank-1": "cross",
    "judge-1": "judge",
    "built-in": RULES,
}
RESILIENCE = {"words": ResilienceSpec(fallback=("spare",))}


class Settings:
    """What tenants have set; a test may change it."""

    def __init__(self) -> None:
        self.by_tenant: dict[str, TenantSettings] = {}

    def __call__(self, tenant: str) -> TenantSettings:
        return self.by_tenant.get(tenant, NO_SETTINGS)


@pytest.fixture
def tenant_settings() -> Settings:
    return Settings()


@pytest.fixture
def plan() -> Plan:
    """Without openai-o3."""
    models = ("words", "spare", "openai-gpt-4o", "*letters", "cross", "judge")
    return Plan(id="default", models=models)


@pytest.fixture
def others() -> dict[str, WordsModel]:
    return {name: WordsModel(f"from {name}") for name in ("spare", "openai-gpt-4o", "openai-o3")}


@pytest.fixture
def spec() -> NamesSpec:
    return NamesSpec.model_validate({"aliases": ALIASES})


@pytest.fixture
def registry(
    model: WordsModel,
    others: dict[str, WordsModel],
    embedder: LettersEmbedder,
    cross_encoder: WordsClassifier,
    judge: WordsClassifier,
    tenant_settings: Settings,
    spec: NamesSpec,
) -> ModelRegistry:
    texts = {"words": model, **others}
    embedders = {"letters": embedder, "other-letters": LettersEmbedder("other-letters")}
    classifiers = {"cross": cross_encoder, "judge": judge}
    settings = NameSettings(spec, {"words": ("house-words",), "letters": ("alphabet",)})
    ids = (RULES, *texts, *embedders, *classifiers)
    names = ModelNames(settings, ids, tenant_settings)
    return ModelRegistry(
        texts, ManualClock(), embedders, RESILIENCE, classifiers, ("cross",), names
    )


@pytest.fixture
async def caches(registry: ModelRegistry, tmp_path: FilePath) -> AsyncIterator[CacheStack]:
    config = CacheConfig(memory_bytes=1 << 20)
    made = CacheStack(
        config, registry, lambda _: b"a" * 32, News(Generations()), None, tmp_path, ManualClock()
    )
    await made.fingerprints.refresh()
    yield made
    await made.close()


@pytest.fixture
def services(
    make_services: MakeServices, registry: ModelRegistry, caches: CacheStack, records: Records
) -> AppServices:
    recorder = UsageRecorder(records, TokenEstimator({}))
    return replace(
        make_services(),
        models=registry,
        model_pipeline=ModelPipeline(registry, recorder, caches.responses),
        embedding_pipeline=EmbeddingPipeline(registry, records),
        providers=ProviderRegistry(registry.ids, "words", {"house": "words"}),
        rendered_responses=caches.rendered,
    )


@pytest.fixture
def web(services: AppServices) -> httpx.AsyncClient:
    return client_of(create_app(services))


@pytest.fixture
def handles(services: AppServices) -> HandleApi:
    return HandleApi(services)
