"""The request path of one model call: allow -> look up -> reserve -> generate -> settle and record.

Flows in: a GenerateRequest from any operation, by HTTP or by handle, of a call that has passed the
gate. Flows out: what the model answers. It is itself a Generator, so content pipelines run over it
and pass the same checks.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import asdict

from cluster.runtime.problems import (
    Forbidden,
    UnknownModel,
)
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Feature, Plan
from cluster.tenants.units import UsageAmounts
from deployments.cache.lookup import CacheContext
from deployments.cache.response_cache import ResponseCache
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ServedModel,
    SettlingModel,
    TextGenerator,
    TokenUsage,
)
from deployments.ingress.admission import AdmittedRequest, current_entrance
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.fallback import FallbackChain
from deployments.ingress.pipeline.metering import (
    CallRecorder,
    Meter,
    Metered,
    RequestCounters,
    amounts_of,
)
from deployments.ingress.pipeline.overhead_timer import current_trace
from deployments.ingress.pipeline.settlements import Settlements


class ModelPipeline:
    """Takes one request through every stage that stands between a caller and a model."""

    def __init__(
        self,
        models: ModelRegistry,
        plan_of: Callable[[str], Plan],
        estimates: TokenEstimator,
        meter: Meter,
        cache: ResponseCache | None = None,
    ) -> None:
        """`plan_of` gives the plan that a tenant is on now. Without a cache, models answer all."""
        self._models = models
        self._plan_of = plan_of
        self._estimates = estimates
        self._meter = meter
        self._cache = cache
        self.tally = RequestCounters()
        self.settlements = Settlements()

    async def generate(self, request: GenerateRequest) -> Completion:
        call = self._admit(request)
        inner = self._with_others(request, call)
        if self._cache is None:
            completion = await inner.generate(request)
        else:
            visit = call.visit()
            completion = await self._cache.generate(request, inner, visit)
            self._kept(request, call, visit)
        call.answered_by(completion.model, request.model)
        return completion

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        call = self._admit(request)
        inner = self._with_others(request, call)
        if self._cache is None:
            chunks = inner.stream(request)
        else:
            visit = call.visit()
            chunks = self._cache.stream(request, inner, visit)
        async with aclosing(chunks) as pieces:
            async for chunk in pieces:
                if chunk.model:
                    call.answered_by(chunk.model, request.model)
                yield chunk
        if self._cache is not None:
            self._kept(request, call, visit)

    def load(self) -> dict[str, int]:
        """The tally, for `/health`."""
        return asdict(self.tally)

    def _admit(self, request: GenerateRequest) -> "MeteredModelCall":
        if not request.caller.allows(Scope.GENERATE):
            raise Forbidden("This key may not generate.", required_scope=str(Scope.GENERATE))
        plan = self._plan_of(request.caller.tenant)
        if request.model not in self._models.ids or not plan.allows_model(request.model):
            raise UnknownModel(request.model, tuple(filter(plan.allows_model, self._models.ids)))
        entrance = current_entrance.get()
        if entrance is None:
            raise RuntimeError("a model call that no gate let in")
        entrance.models.add(request.model)
        return MeteredModelCall(self, self._models.get(request.model), plan, entrance)

    def _with_others(self, request: GenerateRequest, call: "MeteredModelCall") -> TextGenerator:
        """The call, followed by those of the models that may answer instead of its own."""
        names = self._models.fallbacks(request.model)
        allowed = [name for name in names if call.plan.allows_model(name)] if names else []
        if not allowed:
            return call
        others = {name: call.of(self._models.get(name)) for name in allowed}
        return FallbackChain(
            {request.model: call, **others},
            lambda: self._models.record_fallback(request.model),
            self._models.clock,
        )

    def estimate(self, request: GenerateRequest, plan: Plan) -> UsageAmounts:
        """What the call will take, to reserve it."""
        return self._estimates.estimate(request, plan)

    def _kept(
        self, request: GenerateRequest, call: "MeteredModelCall", visit: CacheContext
    ) -> None:
        """A request that nothing was computed for still is one in the ledger."""
        served = visit.last
        if served is not None and (served.forwarded is None or served.collapsed):
            self.record_cache_hit(request.caller, call.plan, request.model)

    def record_cache_hit(self, caller: Caller, plan: Plan, model: str) -> None:
        """Record a request that was answered without the model."""
        self.tally.kept += 1
        self._meter.add_cache_hit(caller, plan, model)

    def record(
        self, request: GenerateRequest, plan: Plan, usage: TokenUsage, *, whole: bool
    ) -> None:
        """Usage of a call that ended; a whole one teaches the estimates."""
        self.tally.add(usage)
        if whole:
            self._estimates.learn(request, usage.completion_tokens)
        self._meter.add(request.caller, plan, request.model, amounts_of(usage))


class MeteredModelCall:
    """One request's way to its model: reserve -> generate -> settle and record. A Generator.

    The cache may let it run on after the request has left, for others who wait for the answer.
    """

    __slots__ = ("_entrance", "_model", "_path", "plan")

    def __init__(
        self, path: ModelPipeline, model: ServedModel, plan: Plan, entrance: AdmittedRequest
    ) -> None:
        self._path = path
        self._model = model
        self._entrance = entrance
        self.plan = plan

    async def generate(self, request: GenerateRequest) -> Completion:
        metered = await self._metered(request)
        with metered, CallRecorder(self._path.tally) as recording:
            completion = await metered.call.generate()
            recording.answered()
            metered.whole(completion.usage)
        return completion

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        metered = await self._metered(request)
        with metered, CallRecorder(self._path.tally) as recording:
            async with aclosing(metered.call.stream()) as chunks:
                async for chunk in chunks:
                    recording.answered()
                    metered.piece(chunk)
                    yield chunk

    def of(self, model: ServedModel) -> "MeteredModelCall":
        """The same caller's call of another model."""
        return MeteredModelCall(self._path, model, self.plan, self._entrance)

    def answered_by(self, model: str, asked: str) -> None:
        """Note a model that answered instead of the one that was asked."""
        if model != asked and model:
            self._entrance.models.add(model)
            self._entrance.fallbacks.append(model)

    def visit(self) -> CacheContext:
        """What the cache has to know of the call."""
        entrance = self._entrance
        features = self.plan.features
        return CacheContext(
            entrance.served,
            entrance.directives,
            sampled=Feature.CACHE_SAMPLED in features,
            semantic=Feature.SEMANTIC_CACHE in features,
            waiting=current_trace.get(),
        )

    async def _metered(self, request: GenerateRequest) -> "Metered":
        amounts = self._path.estimate(request, self.plan)
        permit = self._entrance.permit
        reservation = await permit.reserve(request.model, amounts, lasting=True)
        model = self._model
        call = model.begin(request) if isinstance(model, SettlingModel) else _Plain(model, request)
        return Metered(self._path, request, self.plan, reservation, call)


class _Plain:
    """A call of a model that cannot say what a call that was given up has used."""

    __slots__ = ("_model", "_request")

    def __init__(self, model: ServedModel, request: GenerateRequest) -> None:
        self._model = model
        self._request = request

    async def generate(self) -> Completion:
        return await self._model.generate(self._request)

    def stream(self) -> AsyncGenerator[Chunk, None]:
        return self._model.stream(self._request)

    def settlement(self) -> None:
        return None
