"""The response cache of one replica, as the request path sees it: a cached response, or a computed.

    may it be cached? -> memory (L1) -> same meaning -> single flight: shared tier (L2), object
    store (L3), model

In: a GenerateRequest, what computes it, and the caller's directives. Out: the response, and a
`CacheOutcome` that says where it came from. Knows no HTTP; limits and usage belong to `generator`,
which is called only when something is computed.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache

from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotCached, Problem
from cluster.tenants.caller import Priority
from deployments.cache.chunking import chunks_of
from deployments.cache.codec import AesGcmCodec, decode
from deployments.cache.keys import answer_key, semantic_context_key
from deployments.cache.lookup import JOIN, NO_OBSERVER, SEMANTIC, CacheContext, Lookup
from deployments.cache.metrics import CacheMetrics
from deployments.cache.policy import EntryPolicy, NegativeCache, State
from deployments.cache.semantic.semantic_lookup import SemanticLookup, SemanticMatch
from deployments.cache.single_flight.single_flight import SingleFlight
from deployments.contracts.cache import CacheOutcome, Directives, Entry
from deployments.contracts.generation import Chunk, Completion, GenerateRequest
from deployments.contracts.text_generator import TextGenerator

_encryptor_of = lru_cache(maxsize=10_000)(AesGcmCodec)  # by secret


class ResponseCache:
    """One a replica. `fingerprints` gives, by model id, everything that a model's responses depend
    on; a model without one is not cached yet. `secret_of` raises NotFound for an unknown tenant.
    """

    def __init__(
        self,
        policy: EntryPolicy,
        flights: SingleFlight,
        fingerprints: Mapping[str, str],
        secret_of: Callable[[str], bytes],
        clock: Clock,
        semantic: SemanticLookup | None = None,
    ) -> None:
        self.flights = flights
        self.metrics = CacheMetrics()
        self._policy = policy
        self._fingerprints = fingerprints
        self._secret_of = secret_of
        self._clock = clock
        self._semantic = semantic
        self._refusals = NegativeCache(clock)

    async def generate(
        self, request: GenerateRequest, generator: TextGenerator, context: CacheContext
    ) -> Completion:
        """Raises what `generator` raises, NotCached, and DeadlineExceeded."""
        lookup = self._start(request, generator, context, streaming=False)
        if lookup is None:
            return await generator.generate(request)
        completion = await self._find(lookup, context)
        return await self._compute(lookup) if completion is None else completion

    async def stream(
        self, request: GenerateRequest, generator: TextGenerator, context: CacheContext
    ) -> AsyncGenerator[Chunk, None]:
        """The same as chunks; a cached response comes at once."""
        lookup = self._start(request, generator, context, streaming=True)
        if lookup is None:
            chunks = generator.stream(request)
        else:
            completion = await self._find(lookup, context)
            chunks = self._stream(lookup) if completion is None else _replay(completion)
        async with aclosing(chunks) as source:
            async for chunk in source:
                yield chunk

    def _start(
        self,
        request: GenerateRequest,
        generator: TextGenerator,
        context: CacheContext,
        *,
        streaming: bool,
    ) -> Lookup | None:
        """None for a request that bypasses the cache, which no tier is asked for.

        Raises NotCached, and a refusal that is remembered.
        """
        directives, tenant = context.directives, request.caller.tenant
        invalidations = self._policy.invalidations
        fingerprint = self._fingerprints.get(request.model)
        if fingerprint is None:
            reason: str | None = "model-unknown"
        elif self._clock.monotonic() > invalidations.current_until:
            reason = "invalidations-unknown"
        else:
            reason = bypass_reason(request, directives, context.sampled)
        outcome = CacheOutcome(forwarded="miss")
        context.served.append(outcome)
        context.last = outcome
        metrics = self.metrics[tenant]
        if fingerprint is None or reason is not None:
            outcome.forwarded, outcome.detail = "bypass", reason or ""
            metrics.bypassed += 1
            if directives.only_if_cached:
                raise NotCached(f"This request's response is not cached ({reason}).")
            return None
        secret = self._secret_of(tenant)
        outcome.key = answer_key(secret, request, fingerprint, directives.tags)
        if self._refusals.entries and not directives.no_cache:
            self._refusals.check(outcome.key)
        return Lookup(
            outcome.key,
            request,
            generator,
            _encryptor_of(secret),
            streaming=streaming,
            recompute=directives.no_cache,
            only_if_cached=directives.only_if_cached,
            max_age_s=directives.max_age_s,
            as_of=invalidations.generations.latest,
            tags=directives.tags,
            outcome=outcome,
            metrics=metrics,
            waiting=context.waiting or NO_OBSERVER,
        )

    async def _find(self, lookup: Lookup, context: CacheContext) -> Completion | None:
        """The response that memory has, to this request or to one of the same meaning."""
        policy = self._policy
        if lookup.recompute:
            return None
        cached = policy.memory.get(lookup.key) if policy.memory is not None else None
        if policy.memory is not None and cached is not None:
            entry = cached.entry
            state = policy.servable_state(lookup, entry)
            if state is not None:
                return self._hit(lookup, entry, "l1", state)
            if not policy.is_valid(entry):
                policy.memory.remove(lookup.key)
                lookup.metrics.invalidated += 1
        if self._semantic is None or not context.semantic:
            return None
        return await self._find_similar(lookup, self._semantic)

    async def _find_similar(self, lookup: Lookup, semantic: SemanticLookup) -> Completion | None:
        """The response to a request of the same meaning, if memory has one that may be served."""
        request = lookup.request
        context_key = semantic_context_key(
            self._secret_of(request.caller.tenant),
            request,
            self._fingerprints.get(request.model, ""),
            lookup.tags,
        )
        with lookup.waiting.stage(SEMANTIC):
            match = lookup.match = await semantic.find(
                request,
                context_key,
                lambda entry: self._policy.servable_state(lookup, entry) is not None,
            )
        if match is None or match.entry is None or not match.serves:
            return None
        if match.near is not None and match.near.check:
            self._check(lookup, match, semantic)
        self._record_hit(lookup, match.entry, "semantic")
        completion = decode(match.entry.body)
        lookup.metrics.semantic += 1
        lookup.metrics.tokens_saved += completion.usage.prompt_tokens
        lookup.metrics.tokens_saved += completion.usage.completion_tokens
        return completion

    async def _compute(self, lookup: Lookup) -> Completion:
        """The response from another tier, or computed, by this request's flight or another's."""
        since = lookup.waiting.opened()
        try:
            completion = await self.flights.result(lookup)
        except Problem as problem:
            return self._fall_back(lookup, problem)
        finally:
            _end_wait(lookup, since)
        self._record_source(lookup)
        return completion

    async def _stream(self, lookup: Lookup) -> AsyncGenerator[Chunk, None]:
        begun = False
        since = lookup.waiting.opened()
        try:
            async with aclosing(self.flights.chunks(lookup)) as chunks:
                async for chunk in chunks:
                    if not begun:
                        begun = True
                        _end_wait(lookup, since)
                        self._record_source(lookup)
                    yield chunk
        except Problem as problem:
            if begun:
                raise
            for chunk in chunks_of(self._fall_back(lookup, problem)):
                yield chunk
        finally:
            if not begun:
                _end_wait(lookup, since)

    def _hit(self, lookup: Lookup, entry: Entry, tier: str, state: State) -> Completion:
        """Record a hit, and refresh the entry in the background if it is getting old."""
        metrics, completion = lookup.metrics, decode(entry.body)
        self._record_hit(lookup, entry, f"{tier}-stale" if state == "stale" else tier)
        setattr(metrics, tier, getattr(metrics, tier) + 1)
        metrics.tokens_saved += completion.usage.prompt_tokens + completion.usage.completion_tokens
        metrics.stale_served += state == "stale"
        if state in ("early", "stale") and not lookup.only_if_cached:
            refresh = replace(self._batch(lookup), newer_than=entry.created)
            metrics.refreshes += self.flights.refresh(refresh)
        return completion

    def _record_hit(self, lookup: Lookup, entry: Entry, detail: str) -> None:
        outcome = lookup.outcome
        outcome.forwarded, outcome.detail = None, detail
        outcome.age_s = max(0.0, self._clock.wall() - entry.created)
        outcome.ttl_s = entry.lives.soft - outcome.age_s

    def _record_source(self, lookup: Lookup) -> None:
        """Record where the response came from, as far as is known when it begins."""
        flight, outcome, metrics = lookup.flight, lookup.outcome, lookup.metrics
        assert flight is not None, "a lookup that has waited has a flight"
        entry = flight.entry
        if flight.source in ("l2", "l3") and entry is not None:
            self._hit(lookup, entry, flight.source, self._policy.state(entry))
            return
        if lookup.match is not None and self._semantic is not None and not lookup.joined:
            self._semantic.learn(lookup.match, flight)
        if lookup.fallback is not None:
            outcome.forwarded = "stale"
        elif lookup.recompute:
            outcome.forwarded = "request"
        outcome.stored = entry is not None
        outcome.collapsed = lookup.joined or flight.source == "peer"
        metrics.misses += 1
        metrics.coalesced += outcome.collapsed

    def _fall_back(self, lookup: Lookup, problem: Problem) -> Completion:
        """The fallback entry, if computing failed through no fault of the caller; else raises."""
        self._refusals.add(lookup.key, problem)
        entry = lookup.fallback
        if entry is None or problem.status < 500 or lookup.recompute:
            raise problem
        self._record_hit(lookup, entry, "l1-error")
        lookup.metrics.errors_covered += 1
        return decode(entry.body)

    def _check(self, lookup: Lookup, match: SemanticMatch, semantic: SemanticLookup) -> None:
        """Compute in the background what was answered by meaning, and learn from the comparison."""
        self.flights.refresh(self._batch(lookup))
        flight = self.flights.get_open(lookup.key)
        if flight is not None:
            semantic.learn(match, flight)

    def _batch(self, lookup: Lookup) -> Lookup:
        """The same lookup with the lowest priority, for work in the background, which is no part of
        the request's trace."""
        return replace(
            lookup,
            request=replace(lookup.request, priority=Priority.BATCH),
            streaming=False,
            waiting=NO_OBSERVER,
            fallback=None,
            match=None,
            flight=None,
        )


def bypass_reason(
    request: GenerateRequest, directives: Directives, sampled_by_plan: bool
) -> str | None:
    """None if the response may be looked up and stored; else the reason, a token for Cache-Status.

    `sampled_by_plan`: the tenant's plan allows sampled responses to be cached.
    """
    if directives.no_store:
        return "no-store"
    sampling = request.sampling
    sampled = sampling.temperature > 0 and sampling.top_k != 1 and sampling.seed is None
    return "sampled" if sampled and not (directives.sampled or sampled_by_plan) else None


def _end_wait(lookup: Lookup, since: float) -> None:
    """Of a request that waited from `since` on."""
    lookup.waiting.answered()
    if lookup.joined:
        lookup.waiting.add_stage(JOIN, since)


async def _replay(completion: Completion) -> AsyncGenerator[Chunk, None]:
    for chunk in chunks_of(completion):
        yield chunk
