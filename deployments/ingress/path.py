"""The request path of one model call: allow -> reserve -> generate -> settle and record.

Flows in: a GenerateRequest from any operation, by HTTP or by handle, of a call that has passed the
gate. Flows out: what the model answers. It is itself a Generator, so content pipelines run over it
and pass the same checks.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Protocol, Self

from cluster.problems import Forbidden, UnknownModel
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan
from cluster.tenants.units import Amounts
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ServedModel,
    Usage,
)
from deployments.contracts.limits import Reservation
from deployments.ingress.estimates import Estimates
from deployments.ingress.gate import current_entrance
from deployments.ingress.models import Models
from deployments.ingress.trace import current_trace


class Meter(Protocol):
    """Takes exact usage without waiting."""

    def add(self, caller: Caller, plan: Plan, model: str, amounts: Amounts) -> None: ...


@dataclass(slots=True)
class Tally:
    """What this replica has answered since it started."""

    calls: int = 0
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
    ) -> None:
        """`plan_of` gives the plan that a tenant is on now."""
        self._models = models
        self._plan_of = plan_of
        self._estimates = estimates
        self._meter = meter
        self.tally = Tally()

    async def generate(self, request: GenerateRequest) -> Completion:
        model, metered = await self._admit(request)
        with metered, _Recording(self.tally) as recording:
            completion = await model.generate(request)
            recording.answered()
            metered.whole(completion.usage)
        return completion

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        model, metered = await self._admit(request)
        with metered, _Recording(self.tally) as recording:
            async with aclosing(model.stream(request)) as chunks:
                async for chunk in chunks:
                    recording.answered()
                    metered.piece(chunk)
                    yield chunk

    def load(self) -> dict[str, int]:
        """The tally, for `/health`."""
        return asdict(self.tally)

    async def _admit(self, request: GenerateRequest) -> tuple[ServedModel, "_Metered"]:
        if not request.caller.allows(Scope.GENERATE):
            raise Forbidden("This key may not generate.", required_scope=str(Scope.GENERATE))
        plan = self._plan_of(request.caller.tenant)
        allowed = tuple(filter(plan.allows_model, self._models.ids))
        if request.model not in allowed:
            raise UnknownModel(request.model, allowed)
        model = self._models.get(request.model)
        entrance = current_entrance.get()
        if entrance is None:
            raise RuntimeError("a model call that no gate let in")
        entrance.models.add(request.model)
        reservation = await entrance.permit.reserve(
            request.model, self._estimates.of(request, plan)
        )
        return model, _Metered(self, request, plan, reservation)

    def record(self, request: GenerateRequest, plan: Plan, usage: Usage, *, whole: bool) -> None:
        """Usage of a call that ended; a whole one teaches the estimates."""
        self.tally.add(usage)
        if whole:
            self._estimates.learn(request, usage.completion_tokens)
        self._meter.add(request.caller, plan, request.model, amounts_of(usage))


class _Metered:
    """A reservation that is settled however its call ends.

    A call that failed before its first token costs nothing; one that was given up costs the tokens
    that came.
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

    def __exit__(self, *_: object) -> None:
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


def amounts_of(usage: Usage) -> Amounts:
    """Tokens under the names that plans and prices use."""
    return Amounts(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
