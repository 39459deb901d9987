"""The request path of one call of an encoder model: allow -> reserve -> call -> settle and record.

Flows in: an EmbedRequest or a ClassifyRequest of an admitted request. Flows out: what the model
answers. The text models' request path is model_pipeline.py.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from cluster.runtime.pickle_compat import copied
from cluster.runtime.problems import Problem, UnknownModel, unknown_policy
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from cluster.tracing.genai_names import CLASSIFY, EMBEDDINGS
from deployments.contracts.classification import Classification, ClassifyRequest
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.ingress.context import (
    RESERVE,
    AdmittedRequest,
)
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.facts import TextFacts
from deployments.ingress.names.model_names import DefaultOf
from deployments.ingress.pipeline.fallback import RaisedProblems, attempt_order
from deployments.ingress.pipeline.metering import Meter

_BYTES_PER_TOKEN = 3
_SPECIAL_TOKENS = 2  # what a tokenizer puts around each text


class _CountedAnswer(Protocol):
    @property
    def tokens(self) -> int: ...


Request = TypeVar("Request", EmbedRequest, ClassifyRequest)
CountedAnswer = TypeVar("CountedAnswer", bound=_CountedAnswer)


class EmbeddingPipeline:
    """Takes an admitted request through every stage between it and an embedding model or a
    classifier."""

    is_guarded = False  # whether it applies the guardrails of plans (guarded_pipeline.py)

    def __init__(self, models: ModelRegistry, meter: Meter) -> None:
        self._models = models
        self._meter = meter

    async def embed(self, request: EmbedRequest, admitted: AdmittedRequest) -> Embeddings:
        """A call that fails costs nothing. Fallbacks answer where the requested model is away."""
        models, amounts = self._models, estimate(request, admitted.plan)
        if request.model not in models.configured:
            request = replace(request, model=self._resolved(request, admitted))

        def call(sent: EmbedRequest) -> Awaitable[Embeddings]:
            return models.embedder(sent.model).embed(sent)

        return await self._answer(request, admitted, models.embedder_ids, call, amounts)

    async def classify(
        self, request: ClassifyRequest, admitted: AdmittedRequest, known: tuple[str, ...]
    ) -> Classification:
        """The same for a classifier, one of those `known` for its task."""
        models, amounts = self._models, estimate_classification(request, admitted.plan)

        def call(sent: ClassifyRequest) -> Awaitable[Classification]:
            return models.classifier(sent.model).classify(sent)

        return await self._answer(request, admitted, known, call, amounts)

    def _resolved(self, request: EmbedRequest, admitted: AdmittedRequest) -> str:
        """The embedding model that the request's name stands for. Raises UnknownModel."""
        models, ids = self._models, sum(map(len, request.token_ids))
        facts = TextFacts(admitted, request.caller, request.texts, ids)
        known = models.embedder_ids
        default: DefaultOf = "default_embedding_model"
        return models.names.resolve(request.model, facts, admitted, known, default)

    async def checked(self, texts: tuple[str, ...], admitted: AdmittedRequest) -> tuple[str, ...]:
        """Texts as guardrails let them through, for operations that call no model with them."""
        self._check_guarded(admitted.plan)
        return texts

    async def _answer(
        self,
        request: Request,
        admitted: AdmittedRequest,
        known: tuple[str, ...],
        call: Callable[[Request], Awaitable[CountedAnswer]],
        amounts: UsageAmounts,
    ) -> CountedAnswer:
        failures = RaisedProblems()
        models = self._allowed_models(request.model, known, admitted)
        for attempt in attempt_order(request, models, self._models.clock):
            try:
                answer = await self._metered(attempt, admitted, call, amounts)
            except Problem as problem:
                failures.add(problem)
                continue
            if attempt is not request:
                self._models.record_fallback(request.model)
                admitted.fallbacks.append(attempt.model)
            return answer
        raise failures.first

    async def _metered(
        self,
        request: Request,
        admitted: AdmittedRequest,
        call: Callable[[Request], Awaitable[CountedAnswer]],
        amounts: UsageAmounts,
    ) -> CountedAnswer:
        admitted.models.add(request.model)
        since = admitted.timer.clock.monotonic()
        reservation = await admitted.permit.reserve(request.model, amounts)
        admitted.timer.add_stage(RESERVE, since)
        used, requests, timer = UsageAmounts(), 0, admitted.timer
        operation = EMBEDDINGS if isinstance(request, EmbedRequest) else CLASSIFY
        try:
            with timer.encoder_call(operation, request.model) as timed:
                if timed.trace:
                    request = copied(request, trace=timed.trace, trace_state=timer.trace_state)
                answer = await call(request)
                timed.tokens = answer.tokens
            used, requests = UsageAmounts(input_tokens=answer.tokens), 1
        finally:
            reservation.settle(used, requests=requests)
        self._meter.record_call(
            request.caller,
            admitted.plan,
            request.model,
            used,
            admitted.tags,
            collected=admitted.collected,
        )
        return answer

    def _allowed_models(
        self, model: str, known: tuple[str, ...], admitted: AdmittedRequest
    ) -> tuple[str, ...]:
        """The models that may answer, the requested one first. Raises UnknownModel, and
        GuardrailUnavailable where the plan has guardrails that nothing applies.
        """
        self._check_guarded(admitted.plan)
        allowed = tuple(filter(admitted.allows_model, known))
        if model not in allowed:
            raise UnknownModel(model, allowed)
        fallbacks = self._models.fallbacks.get(model, ())
        return (model, *(name for name in fallbacks if name in allowed))

    def _check_guarded(self, plan: Plan) -> None:
        if plan.guardrails and not self.is_guarded:
            raise unknown_policy(plan.guardrails[0])


def estimate(request: EmbedRequest, plan: Plan) -> UsageAmounts:
    """Tokens to reserve: on "hard" plans one for each byte, which no text exceeds."""
    if request.token_ids:
        return UsageAmounts(input_tokens=sum(map(len, request.token_ids)))
    size = sum(len(text.encode()) for text in request.texts)
    return _text_amounts(size, len(request.texts), plan)


def estimate_classification(request: ClassifyRequest, plan: Plan) -> UsageAmounts:
    """The same, with the query once for each text."""
    count = len(request.texts)
    size = sum(len(text.encode()) for text in request.texts)
    if request.query is not None:
        size += count * len(request.query.encode())
    return _text_amounts(size, count, plan)


def _text_amounts(size: int, count: int, plan: Plan) -> UsageAmounts:
    text_tokens = size if plan.reserve == "hard" else size // _BYTES_PER_TOKEN
    return UsageAmounts(input_tokens=text_tokens + _SPECIAL_TOKENS * count)
