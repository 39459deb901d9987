"""The web application with a memory tier, for two tenants."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path as FilePath

import httpx
import pytest
from starlette.types import ASGIApp

from cluster.invalidation.generations import Generations
from cluster.runtime.clock import SystemClock
from cluster.templates.directory import TemplateDirectory
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies
from deployments.cache.config import CacheConfig
from deployments.content.registry import ProviderRegistry
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.http.app import create_app
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from tests.api.caching.answers import OTHER_KEY, News
from tests.api.fakes import Records
from tests.api.web import CALLERS, MakeServices, client_of

MakeApp = Callable[..., ASGIApp]


@pytest.fixture
def news() -> News:
    return News(Generations())


@pytest.fixture
def plans() -> dict[str, Plan]:
    """Plans by tenant; a test may change them."""
    return {"acme": Plan(id="default"), "other": Plan(id="default")}


@pytest.fixture
def policies() -> dict[str, CallerPolicies]:
    """Of keys that have any, by key id; a test may change them."""
    return {}


@pytest.fixture
async def caches(
    make_services: MakeServices, news: News, tmp_path: FilePath
) -> AsyncIterator[CacheStack]:
    models = make_services().models
    config = CacheConfig(memory_bytes=1 << 22, semantic_model="letters", semantic_error=0.2)
    secrets = {"acme": b"a" * 32, "other": b"b" * 32}
    made = CacheStack(config, models, secrets.__getitem__, news, None, tmp_path, SystemClock())
    await made.fingerprints.refresh()
    yield made
    await made.close()


@pytest.fixture
def make_cached_app(
    make_services: MakeServices,
    caches: CacheStack,
    plans: dict[str, Plan],
    policies: dict[str, CallerPolicies],
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> MakeApp:
    """The application with a memory tier, under the settings that are named."""
    caller = Caller("other", "theirs", frozenset({Scope.ADMIN}))
    monkeypatch.setitem(CALLERS, OTHER_KEY, caller)

    def make(templates: TemplateDirectory | None = None, **settings: object) -> ASGIApp:
        services = make_services(**settings)
        recorder = UsageRecorder(records, TokenEstimator({}))
        services = replace(
            services,
            model_pipeline=ModelPipeline(services.models, recorder, caches.responses),
            providers=ProviderRegistry({"words"}, "words", {}),
            plan_of=plans.__getitem__,
            policies=policies,
            rendered_responses=caches.rendered,
            templates=templates,
        )
        return create_app(services)

    return make


@pytest.fixture
def web(make_cached_app: MakeApp) -> httpx.AsyncClient:
    return client_of(make_cached_app())
