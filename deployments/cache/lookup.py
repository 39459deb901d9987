"""One request whose answer may be kept: recalled from memory, or fetched by a flight.

In: the request, how to compute it, the caller's wishes. Out: the answer, and how it was come by.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from cluster.runtime.problems import Problem
from cluster.tenants.caller import Priority
from deployments.cache.admission_policy import is_cacheable
from deployments.cache.chunking import chunks_of
from deployments.cache.codec import decode, encode
from deployments.cache.dependencies import CacheDependencies
from deployments.cache.freshness import State
from deployments.cache.lookup_request import LookupRequest
from deployments.cache.semantic.semantic_lookup import SemanticMatch
from deployments.cache.single_flight.single_flight import FlightWaiter
from deployments.contracts.cache import NO_DIRECTIVES, CacheOutcome, Directives, Entry, Forwarded
from deployments.contracts.generation import Chunk, Completion, GenerateRequest, TextGenerator

_SERVABLE: frozenset[State] = frozenset(("fresh", "early", "stale"))
_NEWER: frozenset[State] = frozenset(("early", "stale"))  # served, and computed anew beside


class WaitObserver(Protocol):
    """Is told when a request waits for a model, or for who asked it."""

    def opened(self) -> None: ...

    def answered(self) -> None: ...


@dataclass(slots=True)
class CacheContext:
    """What is known of the call that a request belongs to. `served` grows with every request.

    `sampled`: the tenant's plan lets answers drawn at random be given again. `semantic`: they
    may be given to requests of the same meaning. `last` is of the request that this visit is for.
    """

    served: list[CacheOutcome]
    directives: Directives = NO_DIRECTIVES
    sampled: bool = False
    semantic: bool = False
    waiting: WaitObserver | None = None
    last: CacheOutcome | None = None


class CacheLookup:
    """One request whose answer may be kept."""

    def __init__(
        self,
        keeping: CacheDependencies,
        request: GenerateRequest,
        inner: TextGenerator,
        visit: CacheContext,
        served: CacheOutcome,
        *,
        streaming: bool,
    ) -> None:
        self._keeping = keeping
        self._served = served
        self._wishes = visit.directives
        self._waiting = visit.waiting
        self._counts = keeping.counts.of(request.caller.tenant)
        self._fallback: Entry | None = None
        self._meaning = keeping.meaning if visit.semantic and not self._wishes.no_cache else None
        self._found: SemanticMatch | None = None
        self._reason: Forwarded = "request" if visit.directives.no_cache else "miss"
        self._as_of = keeping.news.generations.latest
        self._ask = LookupRequest(
            key=served.key,
            request=request,
            inner=inner,
            sealer=keeping.secrets.sealer(request.caller.tenant),
            usable=self._usable,
            make=self._made,
            keep=self._keep,
            streaming=streaming,
            anew=visit.directives.no_cache,
            only_if_cached=visit.directives.only_if_cached,
            as_of=self._as_of,
            tags=visit.directives.tags,
        )

    def get_local(self) -> Completion | None:
        """The answer, if memory has one that will do."""
        memory = self._keeping.memory
        if memory is None or self._wishes.no_cache:
            return None
        held = memory.get(self._served.key)
        if held is None:
            return None
        if not self._usable(held.entry):
            if not self._keeping.is_valid(held.entry):
                memory.remove(self._served.key)
                self._counts.invalidated += 1
            return None
        return self._hit(held.entry, "l1")

    async def get_similar(self) -> Completion | None:
        """The answer to a request of the same meaning, if memory has one that may be given."""
        if self._meaning is None:
            return None
        request, frame = self._ask.request, self._keeping.frame(self._ask)
        found = self._found = await self._meaning.find(request, frame, self._usable)
        if found is None or found.entry is None or not found.serves:
            return None
        if found.near is not None and found.near.check:
            self._check(found)
        self._told(found.entry, "semantic")
        completion = decode(found.entry.body)
        self._counts.hit("semantic", completion.usage)
        return completion

    async def get_or_compute(self) -> Completion:
        """The answer from further away, or computed, by this request's flight or another's."""
        waiter = self._keeping.flights.waiter(self._ask)
        self._wait_begins()
        try:
            completion = await waiter.result()
        except Problem as problem:
            return self._covered(problem)
        finally:
            self._wait_ends()
        self._tell(waiter)
        return completion

    async def stream_or_compute(self) -> AsyncGenerator[Chunk, None]:
        waiter = self._keeping.flights.waiter(self._ask)
        begun = False
        self._wait_begins()
        try:
            async with aclosing(waiter.chunks()) as chunks:
                async for chunk in chunks:
                    if not begun:
                        begun = True
                        self._wait_ends()
                        self._tell(waiter)
                    yield chunk
        except Problem as problem:
            if begun:
                raise
            for chunk in chunks_of(self._covered(problem)):
                yield chunk
        finally:
            if not begun:
                self._wait_ends()

    def _usable(self, entry: Entry) -> bool:
        state = self._keeping.state(entry)
        if state == "dead" or not self._young(entry):
            return False
        if state == "error-only":
            self._fallback, self._reason = entry, "stale"
        return state in _SERVABLE

    def _young(self, entry: Entry) -> bool:
        longest = self._wishes.max_age_s
        return longest is None or self._keeping.clock.wall() - entry.created <= longest

    def _made(self, completion: Completion, took_s: float) -> Entry | None:
        self._counts.computed += 1
        request, keeping = self._ask.request, self._keeping
        body = _packed(completion) if completion.model in ("", request.model) else None
        if body is None:
            return None
        self._counts.stored += 1
        return Entry(
            tenant=request.caller.tenant,
            model=request.model,
            as_of=self._as_of,
            created=keeping.clock.wall(),
            took_s=took_s,
            lives=keeping.freshness.ttls(keeping.random),
            body=body,
            tags=self._wishes.tags,
        )

    def _keep(self, entry: Entry) -> None:
        if self._keeping.memory is not None:
            self._keeping.memory.put(self._served.key, entry)

    def _hit(self, entry: Entry, tier: str) -> Completion:
        """Tell of a hit, and have it computed anew where it is getting old."""
        keeping, served = self._keeping, self._served
        state = keeping.freshness.state(entry, keeping.clock.wall(), keeping.random)
        completion = decode(entry.body)
        self._told(entry, f"{tier}-stale" if state == "stale" else tier)
        self._counts.hit(tier, completion.usage)
        self._counts.stale_served += state == "stale"
        if state in _NEWER and served.key and not self._wishes.only_if_cached:
            self._refresh(entry)
        return completion

    def _told(self, entry: Entry, detail: str) -> None:
        served = self._served
        served.forwarded, served.detail = None, detail
        served.age_s = max(0.0, self._keeping.clock.wall() - entry.created)
        served.ttl_s = entry.lives.soft - served.age_s

    def _refresh(self, old: Entry) -> None:
        """Have it computed anew by one replica, at leisure and in nobody's time."""
        ask = replace(
            self._batch(),
            usable=lambda entry: entry.created > old.created and self._usable(entry),
        )
        self._counts.refreshes += self._keeping.flights.refresh(ask)

    def _covered(self, problem: Problem) -> Completion:
        """A kept answer in place of a failure that is not the caller's, or the problem."""
        self._keeping.refusals.add(self._served.key, problem)
        entry = self._fallback
        if entry is None or problem.status < 500 or self._wishes.no_cache:
            raise problem
        self._told(entry, "l1-error")
        self._counts.errors_covered += 1
        return decode(entry.body)

    def _tell(self, waiter: FlightWaiter) -> None:
        """How the answer was come by, as far as it is known when it begins."""
        flight, served, counts = waiter.flight, self._served, self._counts
        assert flight is not None, "a waiter that has waited had a flight"
        if flight.source in ("l2", "l3") and flight.entry is not None:
            self._hit(flight.entry, flight.source)
            return
        if self._found is not None and self._meaning is not None and not waiter.collapsed:
            self._meaning.learn(self._found, flight)
        served.forwarded = self._reason
        served.stored = flight.entry is not None
        served.collapsed = waiter.collapsed or flight.source == "peer"
        counts.misses += 1
        counts.coalesced += served.collapsed

    def _check(self, found: SemanticMatch) -> None:
        """Compute what was answered from another request as well, and learn from it."""
        ask = replace(self._batch(), usable=self._usable)
        flights = self._keeping.flights
        flights.refresh(ask)
        flight = flights.get_open(ask.key)
        if flight is not None and self._meaning is not None:
            self._meaning.learn(found, flight)

    def _batch(self) -> LookupRequest:
        """The same, at leisure."""
        request = replace(self._ask.request, priority=Priority.BATCH)
        return replace(self._ask, request=request, streaming=False)

    def _wait_begins(self) -> None:
        if self._waiting is not None:
            self._waiting.opened()

    def _wait_ends(self) -> None:
        if self._waiting is not None:
            self._waiting.answered()


def _packed(completion: Completion) -> bytes | None:
    """None for what is not kept, and for text that is not Unicode."""
    try:
        return encode(completion) if is_cacheable(completion) else None
    except UnicodeEncodeError:
        return None
