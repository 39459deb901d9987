"""Work that many requests share runs in the context of none of them.

Ray Serve ends the calls that were made in the context of a request whose client has left, so a task
that goes on for others must not have been started in one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from random import Random

import numpy as np
import pytest

from cluster.invalidation.generations import Generations
from cluster.runtime.clock import ManualClock
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan, RequestClass
from deployments.cache.codec import AesGcmCodec, encode
from deployments.cache.lookup import Lookup
from deployments.cache.policy import EntryPolicy, Freshness
from deployments.cache.semantic.answer_equivalence import equal
from deployments.cache.semantic.semantic_cache import SemanticCache
from deployments.cache.semantic.semantic_lookup import SemanticLookup, SemanticMatch
from deployments.cache.single_flight.in_flight import InFlightComputation
from deployments.cache.single_flight.tiered_fetch import TieredFetcher
from deployments.cache.tiers.memory import MemoryTier
from deployments.cache.tiers.write_behind import WriteBehind
from deployments.contracts.cache import Entry, Ttls
from deployments.contracts.embedding import Vectors
from deployments.contracts.generation import (
    Choice,
    Completion,
    GenerateRequest,
    Sampling,
    TokenUsage,
)
from deployments.contracts.limits import ExchangeResult
from deployments.contracts.limits import LeaseRequest as Wanted
from deployments.jobs.event_notifier import EventNotifier
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from deployments.model.encoders.batching import Batcher
from tests.api.fakes import WordsModel

Seen = list[str]
current: ContextVar[str] = ContextVar("current", default="nobody")


async def limits(seen: Seen) -> None:
    """An exchange with the authority of the limits, which the first who needs it begins."""

    class Authority(MemoryAuthority):
        async def exchange(
            self, replica: str, epoch: str, ttl_s: float, requests: Sequence[Wanted]
        ) -> ExchangeResult:
            seen.append(current.get())
            return await super().exchange(replica, epoch, ttl_s, requests)

    async def spent(*_: object) -> int:
        return 0

    clock = ManualClock()
    limiter = TenantLimiter(Authority(clock), "r", clock, spent, lambda event: None)
    rates = {"generate": {"requests": {"limit": 5, "per": "second", "burst": 5}}}
    plan = Plan.model_validate({"id": "p", "rates": rates})
    (await limiter.admit("acme", plan, RequestClass.GENERATE)).close()


async def embedding_batches(seen: Seen) -> None:
    async def run(texts: Sequence[str]) -> Vectors:
        seen.append(current.get())
        return np.zeros((len(texts), 1), dtype=np.float32)

    await Batcher(run, 100, 100, ManualClock()).submit("acme", ["text"], [1])


async def archived_answers(seen: Seen) -> None:
    async def write(key: bytes, blob: bytes) -> None:
        seen.append(current.get())

    async def undo(key: bytes) -> None: ...

    queue = WriteBehind(write, undo, 100)
    queue.put(b"k", b"v")
    await queue.flush()


async def news_of_jobs(seen: Seen) -> None:
    async def last_events(jobs: Collection[str]) -> Mapping[tuple[str, str], int]:
        seen.append(current.get())
        return {("acme", "j"): 1}

    assert await EventNotifier(last_events).wait("acme", "j", 0, 5.0)


class NoInvalidations:
    generations = Generations()
    current_until = float("inf")


async def what_a_flight_leaves_behind(seen: Seen) -> None:
    async def release() -> None:
        seen.append(current.get())

    rules = EntryPolicy(None, Freshness(1, 2, 3), NoInvalidations(), ManualClock(), Random(1))
    retrieval = TieredFetcher(rules, None, None, ManualClock())
    retrieval.run_in_background(release())
    await retrieval.close()


async def semantic_lessons(seen: Seen) -> None:
    async def embed(tenant: str, text: str) -> np.ndarray:
        seen.append(current.get())
        return np.ones(4, dtype=np.float32) / 2

    answer = Completion((Choice(0, "four", "stop"),), TokenUsage(1, 1), "m")
    caller = Caller("acme", "k", frozenset())
    request = GenerateRequest("r", caller, "m", Sampling(temperature=0.0), prompt="two and two?")
    ask = Lookup(b"k" * 32, request, WordsModel(), AesGcmCodec(b"secret"))
    flight = InFlightComputation(ask, 0.0)
    meaning = SemanticLookup(
        SemanticCache(embed, Random(1)), equal, MemoryTier(1 << 20, ManualClock())
    )
    meaning.learn(SemanticMatch(b"frame", "two and two?"), flight)
    await asyncio.sleep(0)
    kept = Entry("acme", "m", 0, 0.0, 0.1, Ttls(1, 2, 3), encode(answer))
    flight.complete(answer, kept, "model")
    await asyncio.wait(tuple(meaning._lessons))


@pytest.mark.parametrize(
    "work",
    [
        limits,
        embedding_batches,
        archived_answers,
        news_of_jobs,
        what_a_flight_leaves_behind,
        semantic_lessons,
    ],
    ids=lambda work: work.__name__,
)
async def test_shared_work_runs_in_the_context_of_no_request(
    work: Callable[[Seen], Awaitable[None]],
) -> None:
    seen: Seen = []
    current.set("who came first")
    await work(seen)
    assert seen
    assert set(seen) == {"nobody"}
