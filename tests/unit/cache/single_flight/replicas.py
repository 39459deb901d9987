"""Ingress replicas in one loop: each has its own flights, and all share one tier and one model."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.runtime.problems import DeadlineExceeded
from cluster.tenants.caller import Caller, Priority
from deployments.cache.chunking import ChunkAggregator
from deployments.cache.codec import AesGcmCodec, encode
from deployments.cache.lookup import Lookup
from deployments.cache.single_flight.in_flight import InFlightComputation
from deployments.cache.single_flight.single_flight import SingleFlight
from deployments.cache.single_flight.tiered_fetch import TieredFetcher
from deployments.cache.tiers.local_shared_tier import InMemorySharedTier
from deployments.contracts.cache import Entry, SharedTier, Tier, TierUnavailable, Ttls
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    Message,
    Sampling,
    TokenUsage,
)
from tests.unit.cache.single_flight.virtual_time import LoopClock

CALLER = Caller("acme", "k", frozenset())
GREEDY = Sampling(temperature=0.0)
SAMPLED = Sampling(temperature=1.0)
SEALER = AesGcmCodec(b"secret of acme")


def request(
    prompt: str = "hello",
    *,
    timeout_s: float = 60.0,
    priority: Priority = Priority.STANDARD,
    sampling: Sampling = GREEDY,
) -> GenerateRequest:
    return GenerateRequest(
        "r",
        CALLER,
        "nano",
        sampling,
        (Message("user", prompt),),
        timeout_s=timeout_s,
        priority=priority,
    )


@dataclass
class Model:
    """Says `words`, one every `every_s` seconds; sampled answers differ from call to call."""

    words: Sequence[str] = ("one ", "two ", "three ", "four")
    every_s: float = 0.5
    failing: Exception | None = None
    calls: int = 0
    finished: int = 0
    open: int = 0
    seen: list[GenerateRequest] = field(default_factory=list)

    async def generate(self, asked: GenerateRequest) -> Completion:
        gathering = ChunkAggregator("nano")
        async with aclosing(self.stream(asked)) as chunks:
            async for chunk in chunks:
                gathering.add(chunk)
        return gathering.completion()

    async def stream(self, asked: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self.calls += 1
        self.open += 1
        self.seen.append(asked)
        try:
            async for chunk in self._said(asked):
                yield chunk
            self.finished += 1
        finally:
            self.open -= 1

    async def _said(self, asked: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        texts = list(self.words)
        if asked.sampling.temperature:
            texts[-1] += f" #{self.calls}"
            texts[0] = f"#{self.calls} " + texts[0]
        until = asyncio.get_running_loop().time() + asked.timeout_s
        for number, text in enumerate(texts):
            await asyncio.sleep(self.every_s)
            if asyncio.get_running_loop().time() > until:
                raise DeadlineExceeded("model", asked.timeout_s)
            if self.failing is not None and number:
                raise self.failing
            last = number == len(texts) - 1
            yield Chunk(
                0,
                text,
                "stop" if last else None,
                usage=TokenUsage(3, len(texts)) if last else None,
                tokens=1,
                prompt_tokens=0 if number else 3,
            )


def completion(text: str = "kept") -> Completion:
    return Completion((Choice(0, text, "stop"),), TokenUsage(3, 1), "nano")


def entry(answer: Completion, *, as_of: int = 0, created: float | None = None) -> Entry:
    at = LoopClock().wall() if created is None else created
    return Entry("acme", "nano", as_of, at, 1.0, Ttls(60.0, 120.0, 180.0), encode(answer))


@dataclass
class Keeping:
    """A replica's L1 and its rules, in place of EntryPolicy."""

    as_of: int = 0
    keeps: bool = True
    held: list[Entry] = field(default_factory=list)

    def servable_state(self, lookup: Lookup, found: Entry) -> str | None:
        if lookup.max_age_s is not None and found.created < LoopClock().wall() - lookup.max_age_s:
            return None
        return "fresh" if found.as_of >= self.as_of else None

    def make_entry(self, lookup: Lookup, answer: Completion, took_s: float) -> Entry | None:
        return replace(entry(answer, as_of=self.as_of), took_s=took_s) if self.keeps else None

    def store_local(self, lookup: Lookup, made: Entry) -> None:
        self.held.append(made)


class Waiter:
    """One caller's wait for one response."""

    def __init__(self, flights: SingleFlight, lookup: Lookup) -> None:
        self.lookup = lookup
        self._flights = flights

    async def result(self) -> Completion:
        return await self._flights.result(self.lookup)

    def chunks(self) -> AsyncGenerator[Chunk, None]:
        return self._flights.chunks(self.lookup)

    @property
    def collapsed(self) -> bool:
        return self.lookup.joined

    @property
    def flight(self) -> InFlightComputation | None:
        return self.lookup.flight


class Faulty:
    """A tier that is down while `down` is set; `before` runs ahead of each call by its name."""

    def __init__(self, behind: Any) -> None:
        self.behind = behind
        self.down = False
        self.before: dict[str, Callable[[], None]] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any) -> Any:
            self.calls.append(name)
            self.before.get(name, lambda: None)()
            await asyncio.sleep(0.001)
            if self.down:
                raise TierUnavailable("not now")
            return await getattr(self.behind, name)(*args)

        return call

    def figures(self) -> Mapping[str, int]:
        return self.behind.figures()


class Disk:
    """An archive in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}

    async def get(self, key: bytes) -> bytes | None:
        return self.kept.get(key)

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        self.kept[key] = sealed

    async def remove(self, key: bytes) -> None:
        self.kept.pop(key, None)

    async def close(self) -> None: ...

    def figures(self) -> Mapping[str, int]:
        return {}


class Replica:
    """One ingress replica."""

    def __init__(
        self, model: Model, shared: SharedTier | None = None, archive: Tier | None = None
    ) -> None:
        self.model = model
        self.keeping = Keeping()
        clock = LoopClock()
        self.retrieval = TieredFetcher(self.keeping, shared, archive, clock)
        self.flights = SingleFlight(self.retrieval.fetch, self.keeping, clock)

    def ask(self, key: bytes = b"k" * 32, **fields: Any) -> Lookup:
        asked = {name: fields.pop(name) for name in REQUEST if name in fields}
        return Lookup(key, request(**asked), self.model, SEALER, **fields)

    def waiter(self, **fields: Any) -> Waiter:
        return Waiter(self.flights, self.ask(**fields))

    async def text(self, **fields: Any) -> str:
        return text_of(await self.waiter(**fields).result())

    async def words(self, told: list[str], **fields: Any) -> None:
        """Adds the text of each chunk of a stream to `told`, as it comes."""
        async with aclosing(self.waiter(streaming=True, **fields).chunks()) as chunks:
            async for chunk in chunks:
                told.append(chunk.text)

    async def streamed(self, **fields: Any) -> str:
        """The text of a whole stream, which is checked to be one."""
        gathering = ChunkAggregator("nano")
        async with aclosing(self.waiter(streaming=True, **fields).chunks()) as chunks:
            async for chunk in chunks:
                assert not gathering.complete
                gathering.add(chunk)
        return text_of(gathering.completion())

    def die(self) -> None:
        """As a killed process: nothing is given back, and nothing is heard of it any more."""
        self.retrieval.run_in_background = lambda work: work.close()  # type: ignore[method-assign]
        for task in tuple(self.flights._tasks):
            task.cancel()


REQUEST = ("prompt", "timeout_s", "priority", "sampling")


def text_of(answer: Completion) -> str:
    return "".join(choice.text for choice in answer.choices)


def tier() -> InMemorySharedTier:
    return InMemorySharedTier(64 << 20, LoopClock())


async def settle(*replicas: Replica) -> None:
    """Until nothing flies; then nothing is open anywhere."""
    for replica in replicas:
        if replica.flights.figures()["open"]:
            await asyncio.wait(tuple(replica.flights._tasks))
    for replica in replicas:
        await replica.retrieval.close()
        assert replica.flights.get_open(b"k" * 32) is None
        assert not replica.flights._open
        assert replica.model.open == 0


@asynccontextmanager
async def waiting(*waits: object) -> AsyncIterator[list[asyncio.Task[object]]]:
    """Tasks that have begun to wait."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]
    await asyncio.sleep(0.01)
    yield tasks


async def timed(replica: Replica, **fields: object) -> list[tuple[str, float]]:
    """Every chunk of a stream, and when it came."""
    told = []
    async with aclosing(replica.waiter(streaming=True, **fields).chunks()) as chunks:
        async for chunk in chunks:
            told.append((chunk.text, LoopClock().monotonic()))
    return told


def fleet(count: int, tier: object, model: Model | None = None) -> list[Replica]:
    model = model or Model()
    return [Replica(model, tier) for _ in range(count)]  # type: ignore[arg-type]


def nothing_is_open(tier: InMemorySharedTier) -> bool:
    figures = tier.figures()
    return figures["claims"] == figures["log_bytes"] == 0
