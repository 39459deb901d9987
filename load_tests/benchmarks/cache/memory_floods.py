"""Floods of keys against the memory tier, each made to take more than is counted for it.

In: a memory tier and a source of chance. Out: an endless iterator; each step does one thing to it.
"""

from collections.abc import Callable, Iterator
from random import Random

from deployments.cache.tiers.memory import MemoryTier
from deployments.contracts.cache import Entry, Ttls

TAGS = 24  # of tuples below 20 CPython keeps up to 2000 spare ones for each length

Flood = Callable[[MemoryTier, Random], Iterator[None]]


def fresh(rng: Random, tenant: str, size: int, tags: int = 0) -> Entry:
    """An entry that shares no object with any other, as one from another process."""
    made = 1.7e9 + rng.random()
    lives = Ttls(rng.random(), 600 + rng.random(), 3600 + rng.random())
    names = tuple(f"tag {rng.random()}" for _ in range(tags))
    took, as_of = rng.random(), rng.randrange(10**9, 10**10)
    model = "".join(["some-", "model"])
    return Entry(tenant, model, as_of, made, took, lives, rng.randbytes(size), names)


def tiny(memory: MemoryTier, rng: Random) -> Iterator[None]:
    while True:
        yield
        memory.put(rng.randbytes(32), fresh(rng, "tiny", rng.randrange(20)))


def huge(memory: MemoryTier, rng: Random) -> Iterator[None]:
    while True:
        yield
        memory.put(rng.randbytes(32), fresh(rng, "huge", rng.randrange(20_000, 400_000)))


def tenants(memory: MemoryTier, rng: Random) -> Iterator[None]:
    for number in range(10**9):
        yield
        memory.put(rng.randbytes(32), fresh(rng, f"come and go {number}", 50))


def aliases(memory: MemoryTier, rng: Random) -> Iterator[None]:
    while True:
        key = rng.randbytes(32)
        memory.put(key, fresh(rng, "aliases", 50))
        for _ in range(200):
            yield
            memory.put_alias(rng.randbytes(32), key)


def views(memory: MemoryTier, rng: Random) -> Iterator[None]:
    while True:
        held = memory.put(rng.randbytes(32), fresh(rng, "views", 50))
        for number in range(6):
            yield
            if held is not None:
                memory.add_rendered(held, f"view {number}", rng.randbytes(rng.randrange(3000)))


def tagged(memory: MemoryTier, rng: Random) -> Iterator[None]:
    while True:
        yield
        memory.put(rng.randbytes(32), fresh(rng, "tagged", 0, TAGS))


def cleared(memory: MemoryTier, rng: Random) -> Iterator[None]:
    flood = tiny(memory, rng)
    while True:
        yield
        next(flood)
        if rng.randrange(3000) == 0:
            memory.clear_tenant("tiny")


def combine_floods(memory: MemoryTier, rng: Random) -> Iterator[None]:
    """All of them, mixed."""
    sources = [flood(memory, rng) for flood in FLOODS]
    while True:
        yield
        next(rng.choice(sources))


# Tiny things after huge ones and the other way round: what grew for one must not stay for the next.
FLOODS: list[Flood] = [tiny, aliases, huge, tiny, views, tagged, cleared, huge, tenants]
