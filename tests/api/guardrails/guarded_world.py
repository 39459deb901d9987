"""Policies under test, and the application with guardrails around its models."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import orjson
from starlette.types import ASGIApp

from cluster.tenants.plan import Plan
from deployments.guardrails.engine import Guardrails
from deployments.guardrails.figures import GuardrailFigures
from deployments.guardrails.spec import GuardrailConfig
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.http.app import create_app
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.guarded_pipeline import (
    GuardedEmbeddingPipeline,
    GuardedPipeline,
    RequestGuards,
)
from deployments.ingress.pipeline.guardrail_models import GuardrailModels
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.services import AppServices
from tests.api.fakes import Records, WordsModel
from tests.api.web import client_of

MAIL = "john@example.com"
LEAKY = f"write to {MAIL} now"
CLEAN = "write to [EMAIL] now"
CHAT, URL = "/v1/chat/completions", "/v1/chat/completions"
ASKED: dict[str, Any] = {
    "model": "words",
    "temperature": 0,
    "messages": [{"role": "user", "content": "Whom do I write to?"}],
}
REDACTING: dict[str, Any] = {"id": "pii", "type": "pii", "kinds": ["email"], "action": "redact"}
REFUSING: dict[str, Any] = {**REDACTING, "action": "refuse"}
FLAGGING: dict[str, Any] = {**REDACTING, "action": "flag"}


def config_of(*rules: Mapping[str, Any], **more: Any) -> GuardrailConfig:
    """One policy `house` of these rules, for every tenant."""
    policy = {"rules": rules} | {name: more.pop(name) for name in ("on_output",) if name in more}
    return GuardrailConfig.model_validate(
        {"policies": {"house": policy}, "default": ["house"], **more}
    )


@dataclass
class GuardedWorld:
    """`plans` are by tenant; a test may change them."""

    services: AppServices
    model: WordsModel
    records: Records
    plans: dict[str, Plan]
    caches: CacheStack
    models: ModelRegistry

    def __post_init__(self) -> None:
        self.figures = GuardrailFigures()
        self.made = self.services

    def app(self, config: GuardrailConfig) -> ASGIApp:
        """The application under these policies, over the caches of this world."""
        guardrails = Guardrails(config, GuardrailModels(self.models))
        guards = RequestGuards(guardrails, self.models, self.services.admission, self.figures)
        recorder = UsageRecorder(self.records, TokenEstimator({}))
        pipeline = GuardedPipeline(guards, self.models, recorder, self.caches.responses)

        self.made = replace(
            self.services,
            models=self.models,
            model_pipeline=pipeline,
            embedding_pipeline=GuardedEmbeddingPipeline(guards, self.models, self.records),
            plan_of=self.plans.__getitem__,
            rendered_responses=self.caches.rendered,
            guardrails=guardrails,
        )
        return create_app(self.made)

    def web(self, *rules: Mapping[str, Any], **more: Any) -> httpx.AsyncClient:
        return client_of(self.app(config_of(*rules, **more)))

    def found(self) -> list[tuple[str, str, str]]:
        """What the audit trail says of guardrails: action, resource, outcome."""
        return [
            (line.action, line.resource, line.outcome)
            for line in self.records.lines
            if line.action.startswith("guardrail.")
        ]


def events(text: str) -> list[Any]:
    """The JSON of each server-sent event."""
    return [
        orjson.loads(line[6:])
        for line in text.splitlines()
        if line.startswith("data: ") and line != "data: [DONE]"
    ]


def joined(text: str) -> str:
    """The text of the first choice of a streamed chat."""
    return "".join(
        choice["delta"].get("content") or ""
        for event in events(text)
        for choice in event["choices"]
        if choice["index"] == 0
    )
