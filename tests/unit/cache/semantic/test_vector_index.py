"""Nearest vectors: exact, bounded, and never another tenant's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.cache.semantic.index import Vector, VectorIndex


def unit(*values: float) -> Vector:
    vector = np.array(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def some(random: np.random.Generator) -> Vector:
    return unit(*random.normal(size=8))


def test_the_nearest_is_found_with_its_cosine() -> None:
    index = VectorIndex()
    index.add("acme", b"f", unit(1, 0), b"x")
    index.add("acme", b"f", unit(0, 1), b"y")

    found = index.nearest("acme", b"f", unit(1, 2))

    assert found is not None
    assert found[0].key == b"y"
    assert found[1] == pytest.approx(2 / np.sqrt(5), abs=1e-6)


@pytest.mark.parametrize(("tenant", "frame"), [("other", b"f"), ("acme", b"g"), ("", b"")])
def test_no_neighbour_comes_from_another_tenant_or_frame(tenant: str, frame: bytes) -> None:
    index = VectorIndex()
    index.add("acme", b"f", unit(1, 0), b"x")

    assert index.nearest(tenant, frame, unit(1, 0)) is None


@given(
    seed=st.integers(0, 2**32 - 1),
    moves=st.lists(st.tuples(st.sampled_from("aaarc"), st.integers(0, 2)), max_size=80),
)
def test_it_agrees_with_a_plain_list(seed: int, moves: list[tuple[str, int]]) -> None:
    random = np.random.default_rng(seed)
    index, kept = VectorIndex(per_tenant=1_000), []
    for number, (move, which) in enumerate(moves):
        tenant, frame = f"t{which}", b"f%d" % (number % 2)
        if move == "a":
            vector = some(random)
            kept.append((index.add(tenant, frame, vector, b"%d" % number), vector))
        elif move == "r" and kept:
            entry, _ = kept.pop(number % len(kept))
            index.remove(entry)
            index.remove(entry)
        elif move == "c" and number % 7 == 0:
            index.clear(tenant)
            kept = [pair for pair in kept if pair[0].tenant != tenant]
        query = some(random)
        mine = [(e, v) for e, v in kept if (e.tenant, e.context) == (tenant, frame)]
        found = index.nearest(tenant, frame, query)
        best = max((float(v @ query) for _, v in mine), default=None)
        assert (found is None) == (best is None)
        if found is not None:
            assert found[1] == pytest.approx(best, abs=1e-5)
            assert any(found[0] is entry for entry, _ in mine)
    assert len(index) == len(kept)


def test_a_tenant_has_its_bound_and_forgets_what_was_used_longest_ago() -> None:
    index = VectorIndex(per_tenant=2)
    index.add("acme", b"f", unit(1, 0, 0), b"x")
    index.add("acme", b"f", unit(0, 1, 0), b"y")
    index.nearest("acme", b"f", unit(1, 0, 0))
    index.add("acme", b"f", unit(0, 0, 1), b"z")

    left = index.nearest("acme", b"f", unit(0, 1, 0))

    assert index.entries("acme") == 2
    assert left is not None
    assert left[0].key != b"y"


def test_when_all_are_full_the_largest_tenant_gives_way() -> None:
    random = np.random.default_rng(1)
    index = VectorIndex(per_tenant=100, total=50)
    for number in range(5):
        index.add("small", b"f", some(random), b"%d" % number)
    for number in range(200):
        index.add("flood", b"f%d" % (number % 3), some(random), b"%d" % number)

    assert len(index) == 50
    assert index.entries("small") == 5


def test_vectors_take_no_more_than_twice_their_room() -> None:
    random = np.random.default_rng(1)
    index = VectorIndex(per_tenant=64)
    for number in range(2_000):
        index.add("acme", b"f", some(random), b"%d" % number)
    rows = sum(len(f.vectors) for t in index._tenants.values() for f in t.contexts.values())

    assert index.entries("acme") == 64
    assert rows <= 2 * 64 + 1
