"""The whole web application with guardrails and a memory tier, over fakes."""

from collections.abc import AsyncIterator
from pathlib import Path as FilePath

import pytest

from cluster.invalidation.generations import Generations
from cluster.runtime.clock import SystemClock
from cluster.tenants.plan import Plan
from deployments.cache.config import CacheConfig
from deployments.ingress.cache_stack import CacheStack
from tests.api.caching.answers import News
from tests.api.fakes import Records, WordsModel
from tests.api.guardrails.guarded_world import LEAKY, GuardedWorld
from tests.api.web import MakeServices


@pytest.fixture
def model() -> WordsModel:
    """It answers with an address."""
    return WordsModel(LEAKY)


@pytest.fixture
async def world(
    make_services: MakeServices, model: WordsModel, records: Records, tmp_path: FilePath
) -> AsyncIterator[GuardedWorld]:
    services = make_services()
    config = CacheConfig(memory_bytes=1 << 22, semantic_model="letters", semantic_error=0.2)
    caches = CacheStack(
        config,
        services.models,
        lambda tenant: tenant.encode().ljust(32, b"s"),
        News(Generations()),
        None,
        tmp_path,
        SystemClock(),
    )
    await caches.fingerprints.refresh()
    plans = {"acme": Plan(id="default")}
    yield GuardedWorld(services, model, records, plans, caches, services.models)
    await caches.close()
