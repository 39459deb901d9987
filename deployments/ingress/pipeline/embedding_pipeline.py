"""The request path of one embedding call: allow -> reserve -> embed -> settle and record.

Flows in: an EmbedRequest of an admitted request. Flows out: what the model answers. The text
models' request path is model_pipeline.py.
"""

from cluster.runtime.problems import Problem, UnknownModel
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.fallback import RaisedProblems, attempt_order
from deployments.ingress.pipeline.metering import Meter

_BYTES_PER_TOKEN = 3
_SPECIAL_TOKENS = 2  # what a tokenizer puts around each text


class EmbeddingPipeline:
    """Takes an admitted request through every stage between it and an embedding model."""

    def __init__(self, models: ModelRegistry, meter: Meter) -> None:
        self._models = models
        self._meter = meter

    async def embed(self, request: EmbedRequest, admitted: AdmittedRequest) -> Embeddings:
        """A call that fails costs nothing. Fallbacks answer where the requested model is away."""
        failures = RaisedProblems()
        models = self._allowed_models(request, admitted.plan)
        for attempt in attempt_order(request, models, self._models.clock):
            try:
                embeddings = await self._embed(attempt, admitted)
            except Problem as problem:
                failures.add(problem)
                continue
            if attempt is not request:
                self._models.record_fallback(request.model)
                admitted.fallbacks.append(attempt.model)
            return embeddings
        raise failures.first

    async def _embed(self, request: EmbedRequest, admitted: AdmittedRequest) -> Embeddings:
        model = self._models.embedder(request.model)
        admitted.models.add(request.model)
        amounts = estimate(request, admitted.plan)
        reservation = await admitted.permit.reserve(request.model, amounts)
        used, requests = UsageAmounts(), 0
        try:
            embeddings = await model.embed(request)
            used, requests = UsageAmounts(input_tokens=embeddings.tokens), 1
        finally:
            reservation.settle(used, requests=requests)
        self._meter.record_call(request.caller, admitted.plan, request.model, used)
        return embeddings

    def _allowed_models(self, request: EmbedRequest, plan: Plan) -> tuple[str, ...]:
        """The models that may answer, the requested one first. Raises UnknownModel."""
        allowed = tuple(filter(plan.allows_model, self._models.embedder_ids))
        if request.model not in allowed:
            raise UnknownModel(request.model, allowed)
        fallbacks = self._models.fallbacks.get(request.model, ())
        return (request.model, *(name for name in fallbacks if name in allowed))


def estimate(request: EmbedRequest, plan: Plan) -> UsageAmounts:
    """Tokens to reserve: on "hard" plans one for each byte, which no text exceeds."""
    size = sum(len(text.encode()) for text in request.texts)
    text_tokens = size if plan.reserve == "hard" else size // _BYTES_PER_TOKEN
    return UsageAmounts(input_tokens=text_tokens + _SPECIAL_TOKENS * len(request.texts))
