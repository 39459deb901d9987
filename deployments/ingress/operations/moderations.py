"""`moderations`: which categories of harm texts are in, by rules or a model, in OpenAI's shape."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.content.moderation.moderator import Moderator
from deployments.contracts.classification import ClassifyRequest
from deployments.contracts.moderation import RULES
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.facts import TextFacts
from deployments.ingress.names.spec import DEFAULT
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.schemas.moderation import ModerationRequest

_LONG_TEXTS = 4_096  # characters: the rules may take over 5 ms for more, and leave the event loop


class Moderations:
    """Body: ModerationRequest. Answer: a result for each text.

    The built-in rules know plain English wording only; docs/guides/models.md says what they miss.
    """

    schema = ModerationRequest
    request_class = RequestClass.EMBED
    scope = Scope.GENERATE
    can_stream = False

    def __init__(
        self, pipeline: EmbeddingPipeline, models: ModelRegistry, moderator: Moderator
    ) -> None:
        self._pipeline = pipeline
        self._models = models
        self._moderator = moderator

    async def answer(self, request: AdmittedRequest, body: ModerationRequest) -> dict[str, Any]:
        texts, moderator = body.texts(), self._moderator
        model = moderator.resolve(None if body.model == DEFAULT else body.model)
        if model != RULES and model not in self._models.moderator_ids:
            facts = TextFacts(request, request.caller, texts)
            known = (RULES, *self._models.moderator_ids)
            model = self._models.names.resolve(model, facts, request, known, free=(RULES,))
        if model == RULES:
            texts = await self._pipeline.checked(texts, request)
            scores = await self._by_rules(texts)
        else:
            scores, model = await self._by_model(request, model, texts)
        return {
            "id": f"modr-{request.request_id}",
            "model": model,
            "results": [moderator.result(model, each) for each in scores],
        }

    async def events(self, request: AdmittedRequest, body: ModerationRequest) -> Events:
        """One event, the whole answer: there is nothing to stream."""
        yield None, await self.answer(request, body)

    async def _by_rules(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        def judge() -> list[Mapping[str, float]]:
            return [self._moderator.rule_scores(text) for text in texts]

        if sum(map(len, texts)) <= _LONG_TEXTS:
            return judge()
        return await asyncio.to_thread(judge)

    async def _by_model(
        self, request: AdmittedRequest, model: str, texts: tuple[str, ...]
    ) -> tuple[list[Mapping[str, float]], str]:
        sent = ClassifyRequest(
            request_id=request.request_id,
            caller=request.caller,
            model=model,
            texts=texts,
            timeout_s=request.timeout_s("ingress"),
            priority=request.priority,
        )
        known = self._models.moderator_ids
        found = await self._pipeline.classify(sent, request, known)
        rows = found.scores.tolist()
        return [dict(zip(found.labels, row, strict=True)) for row in rows], found.model
