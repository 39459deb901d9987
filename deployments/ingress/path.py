"""The request path of one model call: allow -> look up -> reserve -> generate -> settle and record.

Flows in: a GenerateRequest from any operation, by HTTP or by handle, of a call that has passed the
gate. Flows out: what the model answers. It is itself a Generator, so content pipelines run over it
and pass the same checks.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Protocol, Self

from cluster.problems import DeadlineExceeded, Forbidden, Problem, UnknownModel
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Feature, Plan
from cluster.tenants.units import Amounts
from deployments.cache.answers import AnswerCache
from deployments.cache.case import Visit
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    Generator,
    ServedModel,
    Usage,
)
from deployments.contracts.limits import Reservation
from deployments.ingress.estimates import Estimates
from deployments.ingress.fallback import Chain
from deployments.ingress.gate import Entrance, current_entrance
from deployments.ingress.models import Models
from deployments.ingress.trace import current_trace


class Meter(Protocol):
    """Takes exact usage without waiting."""

    def add(self, caller: Caller, plan: Plan, model: str, amounts: Amounts) -> None: ...

    def add_kept(self, caller: Caller, plan: Plan, model: str) -> None: ...


@dataclass(slots=True)
class Tally:
    """What this replica has answered since it started: `calls` by models, `kept` without."""

    calls: int = 0
    kept: int = 0
    failed: int = 0
    open: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, usage: Usage) -> None:
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens


class Path:
    """Takes one request through every stage that stands between a caller and a model."""

    def __init__(
        self,
        models: Models,
        plan_of: Callable[[str], Plan],
        estimates: Estimates,
        meter: Meter,
        cache: AnswerCache | None = None,
    ) -> None:
        """`plan_of` gives the plan that a tenant is on now. Without a cache, models answer all."""
        self._models = models
        self._plan_of = plan_of
        self._estimates = estimates
        self._meter = meter
        self._cache = cache
        self.tally = Tally()

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

    def _admit(self, request: GenerateRequest) -> "ModelCall":
        if not request.caller.allows(Scope.GENERATE):
            raise Forbidden("This key may not generate.", required_scope=str(Scope.GENERATE))
        plan = self._plan_of(request.caller.tenant)
        if request.model not in self._models.ids or not plan.allows_model(request.model):
            raise UnknownModel(request.model, tuple(filter(plan.allows_model, self._models.ids)))
        entrance = current_entrance.get()
        if entrance is None:
            raise RuntimeError("a model call that no gate let in")
        entrance.models.add(request.model)
        return ModelCall(self, self._models.get(request.model), plan, entrance)

    def _with_others(self, request: GenerateRequest, call: "ModelCall") -> Generator:
        """The call, followed by those of the models that may answer instead of its own."""
        names = self._models.fallbacks(request.model)
        allowed = [name for name in names if call.plan.allows_model(name)] if names else []
        if not allowed:
            return call
        others = {name: call.of(self._models.get(name)) for name in allowed}
        return Chain(
            {request.model: call, **others},
            lambda: self._models.fell_back(request.model),
            self._models.clock,
        )

    def estimate(self, request: GenerateRequest, plan: Plan) -> Amounts:
        """What the call will take, to reserve it."""
        return self._estimates.of(request, plan)

    def _kept(self, request: GenerateRequest, call: "ModelCall", visit: Visit) -> None:
        """A request that nothing was computed for still is one in the ledger."""
        served = visit.last
        if served is not None and (served.forwarded is None or served.collapsed):
            self.hit(request.caller, call.plan, request.model)

    def hit(self, caller: Caller, plan: Plan, model: str) -> None:
        """Record a request that was answered without the model."""
        self.tally.kept += 1
        self._meter.add_kept(caller, plan, model)

    def record(self, request: GenerateRequest, plan: Plan, usage: Usage, *, whole: bool) -> None:
        """Usage of a call that ended; a whole one teaches the estimates."""
        self.tally.add(usage)
        if whole:
            self._estimates.learn(request, usage.completion_tokens)
        self._meter.add(request.caller, plan, request.model, amounts_of(usage))


class ModelCall:
    """One request's way to its model: reserve -> generate -> settle and record. A Generator.

    The cache may let it run on after the request has left, for others who wait for the answer.
    """

    __slots__ = ("_entrance", "_model", "_path", "plan")

    def __init__(self, path: Path, model: ServedModel, plan: Plan, entrance: Entrance) -> None:
        self._path = path
        self._model = model
        self._entrance = entrance
        self.plan = plan

    async def generate(self, request: GenerateRequest) -> Completion:
        with await self._metered(request) as metered, _Recording(self._path.tally) as recording:
            completion = await self._model.generate(request)
            recording.answered()
            metered.whole(completion.usage)
        return completion

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        with await self._metered(request) as metered, _Recording(self._path.tally) as recording:
            async with aclosing(self._model.stream(request)) as chunks:
                async for chunk in chunks:
                    recording.answered()
                    metered.piece(chunk)
                    yield chunk

    def of(self, model: ServedModel) -> "ModelCall":
        """The same caller's call of another model."""
        return ModelCall(self._path, model, self.plan, self._entrance)

    def answered_by(self, model: str, asked: str) -> None:
        """Note a model that answered instead of the one that was asked."""
        if model != asked and model:
            self._entrance.models.add(model)
            self._entrance.fallbacks.append(model)

    def visit(self) -> Visit:
        """What the cache has to know of the call."""
        entrance = self._entrance
        features = self.plan.features
        return Visit(
            entrance.served,
            entrance.directives,
            sampled=Feature.CACHE_SAMPLED in features,
            semantic=Feature.SEMANTIC_CACHE in features,
            waiting=current_trace.get(),
        )

    async def _metered(self, request: GenerateRequest) -> "_Metered":
        amounts = self._path.estimate(request, self.plan)
        permit = self._entrance.permit
        reservation = await permit.reserve(request.model, amounts, lasting=True)
        return _Metered(self._path, request, self.plan, reservation)


class _Metered:
    """A reservation that is settled however its call ends.

    A call that failed by our own fault costs nothing, whatever came of it; one that was given up,
    or whose time was up, costs the tokens that came.
    """

    __slots__ = ("_path", "_plan", "_request", "_reservation", "_usage", "_whole")

    def __init__(
        self, path: Path, request: GenerateRequest, plan: Plan, reservation: Reservation
    ) -> None:
        self._path = path
        self._request = request
        self._plan = plan
        self._reservation = reservation
        self._usage = Usage()
        self._whole = False

    def __enter__(self) -> Self:
        return self

    def whole(self, usage: Usage) -> None:
        self._usage, self._whole = usage, True

    def piece(self, chunk: Chunk) -> None:
        if chunk.usage is not None:
            self.whole(chunk.usage)
        else:
            self._usage += Usage(chunk.prompt_tokens, chunk.tokens)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if error is not None and is_ours(error):
            self._usage, self._whole = Usage(), False
        used = bool(self._usage.prompt_tokens or self._usage.completion_tokens)
        self._reservation.settle(amounts_of(self._usage), requests=int(used or self._whole))
        if used:
            self._path.record(self._request, self._plan, self._usage, whole=self._whole)


class _Recording:
    """Counts a call as open while it runs, and as failed if it raises.

    `answered` marks the model's first sign of life, up to which the request's trace waits.
    """

    __slots__ = ("_tally", "_trace")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._trace = current_trace.get()

    def __enter__(self) -> Self:
        self._tally.calls += 1
        self._tally.open += 1
        if self._trace is not None:
            self._trace.opened()
        return self

    def answered(self) -> None:
        if self._trace is not None:
            self._trace.answered()
            self._trace = None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.answered()
        self._tally.open -= 1
        if kind is not None and not issubclass(kind, GeneratorExit):
            self._tally.failed += 1


def is_ours(error: BaseException) -> bool:
    """Whether a call failed by no fault of its caller, who chose how long it may take."""
    if not isinstance(error, Problem):
        return isinstance(error, Exception)
    return error.status >= 500 and not isinstance(error, DeadlineExceeded)


def amounts_of(usage: Usage) -> Amounts:
    """Tokens under the names that plans and prices use."""
    return Amounts(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
