"""The whole web application over fakes: no Ray, no sockets."""

from collections.abc import AsyncIterator
from pathlib import Path as FilePath

import httpx
import pytest
from starlette.types import ASGIApp

from cluster.clock import SystemClock
from cluster.tenants.plan import Plan
from deployments.content.registry import Providers
from deployments.contracts.limits import Limiter
from deployments.ingress.app import create_app
from deployments.ingress.embedding_path import EmbeddingPath
from deployments.ingress.estimates import Estimates
from deployments.ingress.gate import Gate
from deployments.ingress.models import Models
from deployments.ingress.path import Path
from deployments.ingress.services import Services
from deployments.limiter.unlimited import Unlimited
from tests.api.fakes import LettersEmbedder, Records, WordsModel
from tests.api.web import FixedKeys, MakeServices, client_of, settings_of


@pytest.fixture
def model() -> WordsModel:
    return WordsModel()


@pytest.fixture
def embedder() -> LettersEmbedder:
    return LettersEmbedder()


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
    return Unlimited()


@pytest.fixture
def make_services(
    model: WordsModel,
    embedder: LettersEmbedder,
    access_log: list[bytes],
    records: Records,
    plan: Plan,
    limiter: Limiter,
    tmp_path: FilePath,
) -> MakeServices:
    def make(**settings: object) -> Services:
        clock = SystemClock()
        models = Models({"words": model}, clock, {"letters": embedder})
        path = Path(models, lambda _: plan, Estimates({}), records)
        return Services(
            settings=settings_of(tmp_path, **settings),
            authenticator=FixedKeys(),
            plan_of=lambda _: plan,
            gate=Gate(limiter, lambda _: plan, records, clock),
            models=models,
            path=path,
            embeddings=EmbeddingPath(models, lambda _: plan, records),
            providers=Providers({"words": path}, "words", {"house": "words"}),
            clock=clock,
            version="9.9.9",
            access_log=access_log.append,
            load=path.load,
        )

    return make


@pytest.fixture
def app(make_services: MakeServices) -> ASGIApp:
    return create_app(make_services())


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client
