"""SIEVE against the plainest way to write it down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.cache.tiers.sieve import FifoQueue, Sieve, Slot

BUDGET = 100


class Naive:
    """The paper's pseudo code over a list, oldest first: [key, weight, visited]."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.items: list[list] = []
        self.hand: str | None = None

    def get(self, key: str) -> bool:
        for item in self.items:
            if item[0] == key:
                item[2] = True
                return True
        return False

    def remove(self, key: str) -> None:
        keys = [item[0] for item in self.items]
        if key not in keys:
            return
        place = keys.index(key)
        if self.hand == key:
            self.hand = keys[place + 1] if place + 1 < len(keys) else None
        del self.items[place]

    def put(self, key: str, weight: int) -> None:
        self.remove(key)
        if weight > self.budget:
            return
        while sum(item[1] for item in self.items) + weight > self.budget:
            self.evict()
        self.items.append([key, weight, False])

    def evict(self) -> None:
        keys = [item[0] for item in self.items]
        place = keys.index(self.hand) if self.hand in keys else 0
        while self.items[place][2]:
            self.items[place][2] = False
            place = (place + 1) % len(self.items)
        self.hand = keys[place]
        self.remove(self.hand)


KEYS = st.sampled_from("abcdefghijkl")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(1, 120)),
        st.tuples(st.just("put"), KEYS, st.integers(1, 20)),
        st.tuples(st.just("get"), KEYS, st.just(0)),
        st.tuples(st.just("remove"), KEYS, st.just(0)),
    ),
    max_size=80,
)


@given(STEPS)
def test_it_keeps_and_gives_up_what_the_naive_model_does(steps: list[tuple[str, str, int]]) -> None:
    sieve: Sieve[str, int] = Sieve(BUDGET)
    naive = Naive(BUDGET)

    for number, (step, key, weight) in enumerate(steps):
        if step == "put":
            assert sieve.put(key, number, weight) == (weight <= BUDGET)
            naive.put(key, weight)
        elif step == "get":
            assert (sieve.get(key) is not None) == naive.get(key)
        else:
            sieve.remove(key)
            naive.remove(key)

        assert sorted(sieve) == sorted(item[0] for item in naive.items)
        assert sieve.bytes == sum(item[1] for item in naive.items) <= BUDGET


@given(STEPS)
def test_a_hit_gives_exactly_what_was_put_last(steps: list[tuple[str, str, int]]) -> None:
    sieve: Sieve[str, object] = Sieve(BUDGET)
    last: dict[str, object] = {}

    for step, key, weight in steps:
        if step == "put":
            last[key] = object()
            sieve.put(key, last[key], weight)
        elif step == "get":
            assert sieve.get(key) in (None, last.get(key))
        else:
            sieve.remove(key)
            assert sieve.get(key) is None


def test_what_was_used_outlives_what_was_not() -> None:
    sieve: Sieve[str, str] = Sieve(3)
    for key in "abc":
        sieve.put(key, key, 1)
    sieve.get("a")

    sieve.put("d", "d", 1)

    assert sorted(sieve) == ["a", "c", "d"]
    assert sieve.evictions == 1


def test_a_flood_of_things_asked_for_once_leaves_what_is_used() -> None:
    sieve: Sieve[int, int] = Sieve(100)
    for key in range(50):
        sieve.put(key, key, 1)

    for flood in range(1000, 5000):
        sieve.get(flood % 50)
        sieve.put(flood, flood, 1)

    assert all(key in sieve for key in range(50))


def test_something_heavier_than_the_whole_is_refused_and_costs_nobody_else() -> None:
    sieve: Sieve[str, str] = Sieve(10)
    sieve.put("a", "a", 5)
    sieve.put("b", "b", 5)

    assert not sieve.put("b", "bigger", 11)

    assert "a" in sieve
    assert "b" not in sieve


def test_a_weight_below_one_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1 byte"):
        Sieve[str, str](10).put("a", "a", 0)


def test_nothing_is_left_after_clear() -> None:
    sieve: Sieve[str, str] = Sieve(10)
    sieve.put("a", "a", 5)

    sieve.clear()

    assert (len(sieve), sieve.bytes, sieve.get("a")) == (0, 0, None)
    assert sieve.put("b", "b", 10)


def test_an_empty_queue_has_no_victim() -> None:
    with pytest.raises(LookupError):
        FifoQueue[Slot]().victim()
