"""The whole web application over fakes: no Ray, no sockets."""

import json
from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from cluster.tenants.plan import Plan
from deployments.contracts.limits import Limiter
from deployments.ingress.http.app import create_app
from deployments.ingress.services import AppServices
from deployments.limiter.unlimited import NullLimiter
from tests.api.fake_services import Fakes, services_over
from tests.api.fakes import LettersEmbedder, Records, WordsClassifier, WordsModel
from tests.api.web import MakeServices, client_of
from tests.servers.stores import emptied_postgres  # noqa: F401
from tests.store_matrix import mark_other_stores


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.servers.session_fixtures")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tier = FilePath(__file__).parent
    mark_other_stores(item for item in items if item.path.is_relative_to(tier))


@pytest.fixture
def model() -> WordsModel:
    return WordsModel()


@pytest.fixture
def embedder() -> LettersEmbedder:
    return LettersEmbedder()


@pytest.fixture
def cross_encoder() -> WordsClassifier:
    return WordsClassifier("cross", "relevance")


@pytest.fixture
def judge() -> WordsClassifier:
    """A moderation model."""
    return WordsClassifier("judge", "violence", "spam")


@pytest.fixture
def access_log() -> list[bytes]:
    """The lines of the access log."""
    return []


@pytest.fixture
def records() -> Records:
    """What the application told its trail and its meter."""
    return Records()


@pytest.fixture
def plan() -> Plan:
    """The plan that every tenant is on."""
    return Plan(id="default")


@pytest.fixture
def limiter() -> Limiter:
    return NullLimiter()


@pytest.fixture
def make_services(
    model: WordsModel,
    embedder: LettersEmbedder,
    cross_encoder: WordsClassifier,
    judge: WordsClassifier,
    access_log: list[bytes],
    records: Records,
    plan: Plan,
    limiter: Limiter,
    tmp_path: FilePath,
) -> MakeServices:
    fakes = Fakes(model, embedder, cross_encoder, judge, records, plan, limiter)

    def make(**settings: object) -> AppServices:
        return services_over(fakes, tmp_path, access_log.append, **settings)

    return make


@pytest.fixture
def app(make_services: MakeServices) -> ASGIApp:
    return create_app(make_services())


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


_openapi: list[bytes] = []  # FastAPI takes longer to describe the routes than most tests run


@pytest.fixture
async def openapi(app: ASGIApp) -> dict[str, Any]:
    """The OpenAPI document, as `/openapi.json` serves it to whoever has no key."""
    if not _openapi:
        async with client_of(app, key=None) as client:
            response = await client.get("/openapi.json")
        _openapi.append(response.raise_for_status().content)
    document: dict[str, Any] = json.loads(_openapi[0])
    return document
