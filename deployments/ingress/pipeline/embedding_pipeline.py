"""The request path of one embedding call: allow -> reserve -> embed -> settle and record.

Flows in: an EmbedRequest of a call that has passed the gate. Flows out: what the model answers. It
is itself an Embedder. Beside path.py, which does the same for text.
"""

from collections.abc import Callable

from cluster.runtime.problems import Forbidden, Problem, UnknownModel
from cluster.tenants.caller import Scope
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.limits import Reservation
from deployments.ingress.admission import AdmittedRequest, current_entrance
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.fallback import RaisedProblems, attempt_order
from deployments.ingress.pipeline.metering import Meter

_BYTES_PER_TOKEN = 3
_SPECIAL_TOKENS = 2  # what a tokenizer puts around each text


class EmbeddingPipeline:
    """Takes one request through every stage between a caller and an embedding model."""

    def __init__(self, models: ModelRegistry, plan_of: Callable[[str], Plan], meter: Meter) -> None:
        """`plan_of` gives the plan that a tenant is on now."""
        self._models = models
        self._plan_of = plan_of
        self._meter = meter

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """A call that fails costs nothing. Other models answer where its own cannot be asked."""
        plan, models = self._allowed(request)
        failures = RaisedProblems()
        for asked in attempt_order(request, models, self._models.clock):
            try:
                found = await self._embed(asked, plan)
            except Problem as problem:
                failures.add(problem)
                continue
            if asked is not request:
                self._models.record_fallback(request.model)
                _entrance().fallbacks.append(asked.model)
            return found
        raise failures.first

    async def _embed(self, request: EmbedRequest, plan: Plan) -> Embeddings:
        model = self._models.embedder(request.model)
        reservation = await _reserve(request, plan)
        used, whole = UsageAmounts(), False
        try:
            found = await model.embed(request)
            used, whole = UsageAmounts(input_tokens=found.tokens), True
        finally:
            reservation.settle(used, requests=int(whole))
        self._meter.add(request.caller, plan, request.model, used)
        return found

    def _allowed(self, request: EmbedRequest) -> tuple[Plan, tuple[str, ...]]:
        """The caller's plan, and the models that may answer, its own first."""
        if not request.caller.allows(Scope.GENERATE):
            raise Forbidden("This key may not generate.", required_scope=str(Scope.GENERATE))
        plan = self._plan_of(request.caller.tenant)
        allowed = tuple(filter(plan.allows_model, self._models.embedder_ids))
        if request.model not in allowed:
            raise UnknownModel(request.model, allowed)
        others = (name for name in self._models.fallbacks(request.model) if name in allowed)
        return plan, (request.model, *others)


def _entrance() -> AdmittedRequest:
    entrance = current_entrance.get()
    if entrance is None:
        raise RuntimeError("a model call that no gate let in")
    return entrance


async def _reserve(request: EmbedRequest, plan: Plan) -> Reservation:
    entrance = _entrance()
    entrance.models.add(request.model)
    return await entrance.permit.reserve(request.model, estimate(request, plan))


def estimate(request: EmbedRequest, plan: Plan) -> UsageAmounts:
    """Tokens to reserve: on "hard" plans one for each byte, which no text exceeds."""
    size = sum(len(text.encode()) for text in request.texts)
    text_tokens = size if plan.reserve == "hard" else size // _BYTES_PER_TOKEN
    return UsageAmounts(input_tokens=text_tokens + _SPECIAL_TOKENS * len(request.texts))
