"""What a flood really takes of the process's memory, as tracemalloc sees it, not as we count it."""

import gc
import tracemalloc
from collections.abc import Iterator
from random import Random

import pytest

from cluster.runtime.clock import ManualClock
from deployments.cache.tiers.memory import MemoryTier
from load_tests.benchmarks.cache.memory_floods import (
    FLOODS,
    Flood,
    aliases,
    combine_floods,
    huge,
    tiny,
)

BUDGET = 2**20
TOLERANCE = 1.1
CHECK_EVERY = 250


@pytest.fixture
def traced() -> Iterator[None]:
    """Without the collector of cycles: what is given up must be free at once."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


def flooded(memory: MemoryTier, rng: Random, flood: Flood, times: int, base: int) -> list[float]:
    """Real memory over the budget, again and again while the flood runs."""
    source, found = flood(memory, rng), []
    for number in range(times):
        next(source)
        if number % CHECK_EVERY == CHECK_EVERY - 1:
            found.append((tracemalloc.get_traced_memory()[0] - base) / BUDGET)
    source.close()
    return found


@pytest.mark.usefixtures("traced")
def test_no_flood_takes_more_than_the_budget_and_a_tenth() -> None:
    rng = Random(1)
    base = tracemalloc.get_traced_memory()[0]
    memory = MemoryTier(BUDGET, ManualClock())
    highest = {}
    for number, flood in enumerate(FLOODS):
        times = 250 if flood is huge else 1000
        found = flooded(memory, rng, flood, times, base)
        highest[number, flood.__name__] = round(max(found), 3)
        assert memory.figures()["bytes"] <= BUDGET

    assert max(highest.values()) <= TOLERANCE, highest


@pytest.mark.usefixtures("traced")
def test_all_floods_together_take_no_more() -> None:
    rng = Random(2)
    base = tracemalloc.get_traced_memory()[0]
    memory = MemoryTier(BUDGET, ManualClock())

    found = flooded(memory, rng, combine_floods, 2500, base)

    assert max(found) <= TOLERANCE


@pytest.mark.usefixtures("traced")
def test_what_a_peak_takes_while_an_index_grows_is_within_it_too() -> None:
    rng = Random(3)
    base = tracemalloc.get_traced_memory()[0]
    memory = MemoryTier(BUDGET, ManualClock(), ceiling_share=1.0)
    tracemalloc.reset_peak()

    flooded(memory, rng, tiny, 3000, base)
    flooded(memory, rng, aliases, 6000, base)

    assert (tracemalloc.get_traced_memory()[1] - base) / BUDGET <= TOLERANCE


@pytest.mark.usefixtures("traced")
def test_clearing_gives_the_memory_back_at_once() -> None:
    rng = Random(4)
    base = tracemalloc.get_traced_memory()[0]
    memory = MemoryTier(BUDGET, ManualClock())
    flooded(memory, rng, tiny, 2000, base)
    flooded(memory, rng, aliases, 3000, base)

    memory.clear()

    assert tracemalloc.get_traced_memory()[0] - base < 50_000
