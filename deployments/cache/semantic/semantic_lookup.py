"""Kept answers to requests of the same meaning, for tenants whose plan has them.

    near? -> give its kept answer (and compute some of them too, to check) -> learn from what came

Flows in: requests that memory has no answer to. Flows out: another request's kept answer, or
nothing. What may be given is decided in semantic/; here it meets memory and flights.
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
from deployments.contracts.generation import Completion, GenerateRequest

_MOST_LESSONS = 256  # learning that is under way; beyond it nothing is learned

logger = logging.getLogger("mobula.cache")


@dataclass(slots=True)
class SemanticMatch:
    """What a request is like: `text` in its `frame`; `near` with its kept `entry`, if any."""

    frame: bytes
    text: str
    near: NearestMatch | None = None
    entry: Entry | None = None

    @property
    def serves(self) -> bool:
        return self.near is not None and self.near.serve


class SemanticLookup:
    """One a replica. `same` judges whether two answers say the same."""

    def __init__(self, semantic: SemanticCache, same: Judge, memory: MemoryTier) -> None:
        self._semantic = semantic
        self._same = same
        self._memory = memory
        self._lessons: set[asyncio.Task[None]] = set()

    async def find(
        self, request: GenerateRequest, frame: bytes, usable: Callable[[Entry], bool]
    ) -> SemanticMatch | None:
        """None for a request without words of a user."""
        text = last_user_text(request)
        if text is None:
            return None
        near = await self._semantic.near(request.caller.tenant, frame, text)
        held = self._memory.get(near.key) if near is not None else None
        if near is None:
            return SemanticMatch(frame, text)
        if held is None or not usable(held.entry):
            self._semantic.forget(near)
            return SemanticMatch(frame, text)
        return SemanticMatch(frame, text, near, held.entry)

    def learn(self, found: SemanticMatch, flight: InFlightComputation) -> None:
        """Learn from the answer that `flight` computes, once it is there and kept."""
        if len(self._lessons) >= _MOST_LESSONS:
            return
        task = create_detached_task(self._bounded(self._lesson(found, flight)))
        self._lessons.add(task)
        task.add_done_callback(self._lessons.discard)

    @property
    def learning(self) -> int:
        """Lessons under way."""
        return len(self._lessons)

    def report(self, tenant: str) -> SemanticCacheStats:
        """How it does for one tenant, on this replica."""
        return self._semantic.report(tenant)

    async def close(self) -> None:
        for task in self._lessons:
            task.cancel()
        if self._lessons:
            await asyncio.wait(tuple(self._lessons))

    async def _lesson(self, found: SemanticMatch, flight: InFlightComputation) -> None:
        await flight.wait_done()
        if flight.completion is None or flight.entry is None:
            return
        tenant, near, entry = flight.lookup.request.caller.tenant, found.near, found.entry
        if near is not None and entry is not None:
            same = await self._same(
                tenant, response_text(decode(entry.body)), response_text(flight.completion)
            )
            self._semantic.observe(near, same)
            if same:
                return
        await self._semantic.learn(tenant, found.frame, found.text, flight.lookup.key)

    async def _bounded(self, lesson: Coroutine[Any, Any, None]) -> None:
        try:
            await lesson
        except Problem as problem:
            logger.debug("nothing was learned: %s", problem.detail)


def last_user_text(request: GenerateRequest) -> str | None:
    """The text that a request is compared by: its prompt, or its last user message."""
    if request.prompt is not None:
        return request.prompt or None
    for message in reversed(request.messages):
        if message.role == "user":
            return message.content or None
    return None


def response_text(completion: Completion) -> str:
    """All choices, one after the other."""
    return "\n".join(choice.text for choice in completion.choices)
