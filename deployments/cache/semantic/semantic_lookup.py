"""Cached responses to requests of the same meaning, for tenants whose plan includes them.

    similar? -> serve its response (and compute some of them too, to check) -> learn the outcome

In: requests without an entry in memory. Out: the entry of a similar request, or none. What may be
served is decided in semantic_cache.py; this module connects it to memory and computations.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from cluster.runtime.background import create_detached_task
from cluster.runtime.problems import Problem
from deployments.cache.codec import decode
from deployments.cache.semantic.answer_equivalence import Judge
from deployments.cache.semantic.semantic_cache import (
    NearestMatch,
    SemanticCache,
    SemanticCacheStats,
)
from deployments.cache.single_flight.in_flight import InFlightComputation
from deployments.cache.tiers.memory import MemoryTier
from deployments.contracts.cache import Entry
from deployments.contracts.generation import Completion, GenerateRequest, uses_tools

_MAX_LESSONS = 256  # under way at once; beyond it nothing is learned

logger = logging.getLogger("mobula.cache")


@dataclass(slots=True)
class SemanticMatch:
    """A request's `text` and `context`; its neighbour `near` and that one's `entry`, if any."""

    context: bytes
    text: str
    near: NearestMatch | None = None
    entry: Entry | None = None

    @property
    def serves(self) -> bool:
        return self.near is not None and self.near.serve


class SemanticLookup:
    """One a replica. `same` decides whether two responses are equal."""

    def __init__(self, semantic: SemanticCache, same: Judge, memory: MemoryTier) -> None:
        self._semantic = semantic
        self._same = same
        self._memory = memory
        self._lessons: set[asyncio.Task[None]] = set()

    async def find(
        self, request: GenerateRequest, context: bytes, is_servable: Callable[[Entry], bool]
    ) -> SemanticMatch | None:
        """The nearest match; None for a request without text of a user."""
        text = last_user_text(request)
        if text is None:
            return None
        near = await self._semantic.near(request.caller.tenant, context, text)
        if near is None:
            return SemanticMatch(context, text)
        cached = self._memory.get(near.key)
        if cached is None or not is_servable(cached.entry):
            self._semantic.forget(near)
            return SemanticMatch(context, text)
        return SemanticMatch(context, text, near, cached.entry)

    def learn(self, match: SemanticMatch, flight: InFlightComputation) -> None:
        """Learn from the response that `flight` computes, once it is there and stored."""
        if len(self._lessons) >= _MAX_LESSONS:
            return
        task = create_detached_task(self._suppress_problems(self._lesson(match, flight)))
        self._lessons.add(task)
        task.add_done_callback(self._lessons.discard)

    @property
    def learning(self) -> int:
        """Lessons under way."""
        return len(self._lessons)

    def report(self, tenant: str) -> SemanticCacheStats:
        """The stats of one tenant on this replica."""
        return self._semantic.report(tenant)

    async def close(self) -> None:
        for task in self._lessons:
            task.cancel()
        if self._lessons:
            await asyncio.wait(tuple(self._lessons))

    async def _lesson(self, match: SemanticMatch, flight: InFlightComputation) -> None:
        await flight.wait_done()
        if flight.completion is None or flight.entry is None:
            return
        tenant, near, entry = flight.lookup.request.caller.tenant, match.near, match.entry
        if near is not None and entry is not None:
            same = await self._same(
                tenant, response_text(decode(entry.body)), response_text(flight.completion)
            )
            self._semantic.observe(near, same)
            if same:
                return
        await self._semantic.learn(tenant, match.context, match.text, flight.lookup.key)

    async def _suppress_problems(self, lesson: Coroutine[Any, Any, None]) -> None:
        try:
            await lesson
        except Problem as problem:
            logger.debug("nothing was learned: %s", problem.detail)


def last_user_text(request: GenerateRequest) -> str | None:
    """The text by which a request is compared: its prompt, or its last user message.

    None where tools are used: a call that another request's text led to, or what was said of a
    tool's result, is no response to this one however close the texts are. None where the response
    repeats the request.
    """
    if request.echo or uses_tools(request.messages, request.tool_settings):
        return None
    if request.prompt is not None:
        return request.prompt or None
    for message in reversed(request.messages):
        if message.role == "user":
            return message.content or None
    return None


def response_text(completion: Completion) -> str:
    """All choices, one after the other."""
    return "\n".join(choice.text for choice in completion.choices)
