"""A model call that other models answer where the requested one is unavailable.

Flows in: a request, and the metered calls of the models that may answer it, in their order. Flows
out: the answer of the first that can, which says in `model` whose it is. A refusal of the caller's
own making is never carried to another model, nor is one of a model that is only busy.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from cluster.resilience.failure_class import is_unavailable
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.contracts.classification import ClassifyRequest
from deployments.contracts.embedding import EmbedRequest
from deployments.contracts.generation import Chunk, Completion, GenerateRequest
from deployments.contracts.text_generator import TextGenerator

R = TypeVar("R", GenerateRequest, EmbedRequest, ClassifyRequest)


class FallbackChain:
    """A Generator for one request; `calls` are those of its model, and then of the others.

    `answered` is called when another model answers. Raises what the first one raised where no
    other can answer either.
    """

    def __init__(
        self,
        calls: Mapping[str, TextGenerator],
        answered: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._calls = calls
        self._answered = answered
        self._clock = clock

    async def generate(self, request: GenerateRequest) -> Completion:
        failures = RaisedProblems()
        for attempt in attempt_order(request, tuple(self._calls), self._clock):
            try:
                completion = await self._calls[attempt.model].generate(attempt)
            except Problem as problem:
                failures.add(problem)
                continue
            if attempt is not request:
                self._answered()
            return replace(completion, model=attempt.model)
        raise failures.first

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """Once a chunk was given, no other model goes on."""
        failures = RaisedProblems()
        for attempt in attempt_order(request, tuple(self._calls), self._clock):
            begun = False
            try:
                async with aclosing(self._calls[attempt.model].stream(attempt)) as chunks:
                    async for chunk in chunks:
                        if not begun and attempt is not request:
                            self._answered()
                            chunk = replace(chunk, model=attempt.model)
                        begun = True
                        yield chunk
                return
            except Problem as problem:
                if begun:
                    raise
                failures.add(problem)
        raise failures.first


def attempt_order(request: R, models: Sequence[str], clock: Clock) -> Iterator[R]:
    """The request to each of the models, while there is time; the request itself to its own."""
    until = clock.monotonic() + request.timeout_s
    for model in models:
        left_s = until - clock.monotonic()
        if model == request.model:
            yield request
        elif left_s > 0 and isinstance(request, GenerateRequest):
            yield request.resent(request.request_id, model, left_s)
        elif left_s > 0:
            yield replace(request, model=model, timeout_s=left_s)


class RaisedProblems:
    """What was raised so far; the first says what is wrong."""

    first: Problem

    def __init__(self) -> None:
        self._any = False

    def add(self, problem: Problem) -> None:
        """Raises it where no other model may answer instead."""
        if self._any:
            return
        self.first, self._any = problem, True
        if not is_unavailable(problem):
            raise problem
