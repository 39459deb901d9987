"""A plan that leaves providers out has no model of theirs: by name, as a fallback, in the list."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import ModelFailed
from cluster.tenants.plan import Plan
from deployments.ingress.http.app import create_app
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from tests.api.fakes import Records, WordsModel
from tests.api.web import MakeServices, client_of

MESSAGES = [{"role": "user", "content": "hi"}]


class TheirModel(WordsModel):
    """A model that a provider serves."""

    is_external = True


@pytest.fixture(params=[["text"], ["text", "providers"], None])
def features(request: pytest.FixtureRequest) -> list[str] | None:
    found: list[str] | None = request.param
    return found


@pytest.fixture
def plan(features: list[str] | None) -> Plan:
    return Plan.model_validate({"id": "p", "allowed_features": features})


@pytest.fixture
async def web(
    make_services: MakeServices, model: WordsModel, records: Records
) -> AsyncIterator[httpx.AsyncClient]:
    spec = ResilienceSpec(fallback=("theirs",))
    texts = {"words": model, "theirs": TheirModel("from elsewhere")}
    registry = ModelRegistry(texts, ManualClock(), {}, {"words": spec})
    pipeline = ModelPipeline(registry, UsageRecorder(records, TokenEstimator({})))
    services = replace(make_services(), models=registry, model_pipeline=pipeline)
    async with client_of(create_app(services)) as client:
        yield client


async def test_their_models_are_there_as_far_as_the_plan_has_them(
    web: httpx.AsyncClient, model: WordsModel, features: list[str] | None
) -> None:
    has_theirs = features is None or "providers" in features
    asked = await web.post("/v1/chat/completions", json={"model": "theirs", "messages": MESSAGES})
    listed = await web.get("/v1/models")

    assert asked.status_code == (200 if has_theirs else 404)
    assert ("theirs" in [each["id"] for each in listed.json()["data"]]) == has_theirs
    own = await web.post("/v1/chat/completions", json={"model": "words", "messages": MESSAGES})
    assert own.status_code == 200

    model.problem = ModelFailed("words")
    fallen = await web.post("/v1/chat/completions", json={"model": "words", "messages": MESSAGES})
    assert fallen.status_code == (200 if has_theirs else 502)
