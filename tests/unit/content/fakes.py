"""A Generator for tests: answers from a script, counts what runs at once, and notes what was
closed.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable

from cluster.runtime.problems import Problem
from cluster.tenants.caller import Caller, Scope
from deployments.content.brief import Brief
from deployments.content.results import ContentRequest
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    TokenUsage,
)

CALLER = Caller("acme", "key1", frozenset({Scope.GENERATE}))
Answer = Callable[[GenerateRequest], "str | Problem"]


class FakeGenerator:
    """Answers each request with `answer(request)`; a Problem is raised. `gate` holds streams back
    after a first chunk.
    """

    def __init__(self, answer: Answer, gate: asyncio.Event | None = None) -> None:
        self._answer = answer
        self._gate = gate
        self.seen: list[GenerateRequest] = []
        self.running = self.most = self.closed = 0
        self._changed = asyncio.Condition()

    async def all_running(self, count: int) -> None:
        """Wait until `count` streams are open."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.running >= count)

    async def generate(self, request: GenerateRequest) -> Completion:
        text = ""
        usage = TokenUsage()
        async for chunk in self.stream(request):
            text, usage = text + chunk.text, chunk.usage or usage
        return Completion((Choice(0, text, "stop"),), usage, request.model)

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self.seen.append(request)
        self.running += 1
        self.most = max(self.most, self.running)
        async with self._changed:
            self._changed.notify_all()
        try:
            await asyncio.sleep(0)
            answer = self._answer(request)
            if isinstance(answer, Problem):
                raise answer
            half = len(answer) // 2
            yield Chunk(0, answer[:half])
            if self._gate is not None:
                await self._gate.wait()
            yield Chunk(0, answer[half:], "stop", usage=TokenUsage(7, 5))
        finally:
            self.running -= 1
            self.closed += 1


def order(brief: Brief | None = None, **changes: object) -> ContentRequest:
    """An order for three variants about a coffee shop, with `changes` applied."""
    values: dict[str, object] = {
        "request_id": "r",
        "caller": CALLER,
        "brief": brief or Brief("a new coffee shop"),
        "model": "nano",
        "seed": 11,
    }
    return ContentRequest(**{**values, **changes})  # type: ignore[arg-type]
