"""The web application over a scripted model."""

from dataclasses import replace

import pytest
from starlette.types import ASGIApp

from deployments.ingress.http.app import create_app
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.services import AppServices
from tests.api.fakes import Records
from tests.api.translation.scripted import ScriptedModel
from tests.api.web import MakeServices


@pytest.fixture
def scripted() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
def services(make_services: MakeServices, scripted: ScriptedModel, records: Records) -> AppServices:
    services = make_services()
    models = ModelRegistry({"words": scripted}, services.clock, {})
    pipeline = ModelPipeline(models, UsageRecorder(records, TokenEstimator({})))
    return replace(services, models=models, model_pipeline=pipeline)


@pytest.fixture
def app(services: AppServices) -> ASGIApp:
    return create_app(services)
