"""The cache of one replica, as the request path meets it: it answers, or lets the model answer.

    may it be kept? -> memory (L1) -> one flight for all who ask -> shared tier, archive, or model

Flows in: a GenerateRequest, how to compute it, and what the caller wishes. Flows out: what the
model would answer, and in a `CacheOutcome` how it was come by. Knows no HTTP; limits and usage
belong to `inner`, which is only called when something is computed.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from cluster.runtime.problems import NotCached
from deployments.cache.admission_policy import bypass_reason
from deployments.cache.chunking import chunks_of
from deployments.cache.dependencies import CacheDependencies
from deployments.cache.lookup import CacheContext, CacheLookup
from deployments.contracts.cache import CacheOutcome
from deployments.contracts.generation import Chunk, Completion, GenerateRequest, TextGenerator


class ResponseCache:
    """One a replica."""

    def __init__(self, keeping: CacheDependencies) -> None:
        self._keeping = keeping

    async def generate(
        self, request: GenerateRequest, inner: TextGenerator, visit: CacheContext
    ) -> Completion:
        """Raises what `inner` raises, NotCached, and DeadlineExceeded."""
        case = self._open(request, inner, visit, streaming=False)
        if case is None:
            return await inner.generate(request)
        found = case.get_local() or await case.get_similar()
        return await case.get_or_compute() if found is None else found

    async def stream(
        self, request: GenerateRequest, inner: TextGenerator, visit: CacheContext
    ) -> AsyncGenerator[Chunk, None]:
        """The same in pieces; what was kept comes at once."""
        case = self._open(request, inner, visit, streaming=True)
        if case is None:
            chunks = inner.stream(request)
        else:
            found = case.get_local() or await case.get_similar()
            chunks = case.stream_or_compute() if found is None else _replayed(found)
        async with aclosing(chunks) as pieces:
            async for chunk in pieces:
                yield chunk

    def _open(
        self,
        request: GenerateRequest,
        inner: TextGenerator,
        visit: CacheContext,
        *,
        streaming: bool,
    ) -> CacheLookup | None:
        """None for what may not be kept. Raises NotCached, and a refusal that is remembered."""
        keeping, served = self._keeping, CacheOutcome(forwarded="miss")
        visit.served.append(served)
        visit.last = served
        state = keeping.states(request.model)
        why = self._why_not(request, visit, state)
        if why is not None or state is None:
            served.forwarded, served.detail = "bypass", why or ""
            keeping.counts.of(request.caller.tenant).bypassed += 1
            if visit.directives.only_if_cached:
                raise NotCached(f"This request's answer is not kept ({why}).")
            return None
        served.key = keeping.key(request, visit.directives.tags, state)
        if not visit.directives.no_cache:
            keeping.refusals.check(served.key)
        return CacheLookup(keeping, request, inner, visit, served, streaming=streaming)

    def _why_not(
        self, request: GenerateRequest, visit: CacheContext, state: str | None
    ) -> str | None:
        if state is None:
            return "model-unknown"
        if not self._keeping.news.is_current:
            return "invalidations-unknown"
        return bypass_reason(request, visit.directives, visit.sampled)


async def _replayed(completion: Completion) -> AsyncGenerator[Chunk, None]:
    for chunk in chunks_of(completion):
        yield chunk
