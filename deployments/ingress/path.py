"""The request path: admit -> generate -> record.

Flows in: a GenerateRequest from any operation, by HTTP or by handle. Flows out: what the model
answers. It is itself a Generator, so content pipelines run over it and pass the same checks.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Self

from cluster.problems import Forbidden
from cluster.tenants.caller import Scope
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ServedModel,
    Usage,
)
from deployments.ingress.models import Models
from deployments.ingress.trace import current_trace


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

    def __init__(self, models: Models) -> None:
        self._models = models
        self.tally = Tally()

    async def generate(self, request: GenerateRequest) -> Completion:
        model = self._admit(request)
        with _Recording(self.tally) as recording:
            completion = await model.generate(request)
            recording.answered()
        self.tally.add(completion.usage)
        return completion

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        model = self._admit(request)
        with _Recording(self.tally) as recording:
            async with aclosing(model.stream(request)) as chunks:
                async for chunk in chunks:
                    recording.answered()
                    if chunk.usage is not None:
                        self.tally.add(chunk.usage)
                    yield chunk

    def load(self) -> dict[str, int]:
        """The tally, for `/health`."""
        return asdict(self.tally)

    def _admit(self, request: GenerateRequest) -> ServedModel:
        if not request.caller.allows(Scope.GENERATE):
            raise Forbidden("This key may not generate.", required_scope=str(Scope.GENERATE))
        return self._models.get(request.model)


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
