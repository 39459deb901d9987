"""The index of a collection answers what a comparison with every point does, to the last bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.search import collection_index
from deployments.search.collection_index import CollectionIndex, IndexQuery, PointChange
from tests.unit.search.plain_search import (
    answered,
    bm25,
    live_points,
    nearest,
    point,
    tombstone,
    unit_rows,
)

D = 24
WORDS = ("coffee", "tea", "grinder", "XK-42", "brew", "the", "ünïcode")


def query_of(seed: int, **fields: Any) -> IndexQuery:
    row = np.random.default_rng(seed).normal(size=D)
    return IndexQuery(vector=(row / np.linalg.norm(row)).astype(np.float32), **fields)


def made_changes(count: int, seed: int = 1, *, first: int = 1) -> list[PointChange]:
    """Every fifth one has no vector; some vectors are equal."""
    rows, random = unit_rows(count, D, seed), np.random.default_rng(seed)
    rows[1::7] = rows[:1]
    return [
        point(
            f"p{index:05}",
            first + index,
            None if index % 5 == 4 else rows[index],
            " ".join(random.choice(WORDS, size=index % 4)),
            {"n": index % 10, "even": index % 2 == 0},
        )
        for index in range(count)
    ]


def loaded(changes: list[PointChange], dimensions: int = D, at_once: int = 400) -> CollectionIndex:
    index = CollectionIndex(dimensions)
    for start in range(0, len(changes), at_once):
        index.apply(changes[start : start + at_once])
    return index


@pytest.mark.parametrize("count", [0, 1, 9, 700, 2_500])  # both widths of vectors in memory
@pytest.mark.parametrize("dimensions", [D, 0])
def test_nearest_points_are_those_of_a_comparison_with_all(count: int, dimensions: int) -> None:
    changes = made_changes(count)
    index = loaded(changes, dimensions)

    for seed in range(3):
        for filter in (None, {"eq": {"n": 3}}, {"eq": {"n": 3, "even": True}}):
            query = query_of(seed, limit=10, filter=filter)
            assert answered(index, query) == nearest(changes, query)


def test_changed_and_deleted_points_are_as_if_they_had_never_been_different() -> None:
    first = made_changes(3_000)
    changed = made_changes(1_500, seed=2, first=4_000)
    gone = [tombstone(f"p{index:05}", 9_000 + index) for index in range(0, 3_000, 3)]
    back = made_changes(30, seed=3, first=13_000)
    changes = [*first, *changed, *gone, *back]
    index = loaded(changes)
    left = live_points(changes)

    assert index.rows_version > 0, "rows of old points were dropped"
    assert len(index) == len(left)
    assert index.sequence == 13_029
    anew = loaded(sorted(left, key=lambda each: each.sequence))
    for seed in range(4):
        query = query_of(seed, limit=20)
        assert answered(index, query) == nearest(left, query)
        for fields in ({"text": "coffee grinder"}, {"text": "tea", "filter": {"eq": {"n": 1}}}):
            mixed = query_of(seed, limit=20, explain=True, **fields)
            assert index.search(mixed) == anew.search(mixed)


def test_changes_in_one_batch_are_those_of_several() -> None:
    """Also a point that is changed twice in it, and one that comes and goes."""
    changes = [*made_changes(50), *made_changes(20, seed=5, first=60), tombstone("p00003", 90)]
    changes += [point("p00003", 91, unit_rows(1, D, 9)[0]), tombstone("p00004", 92)]
    at_once, one_by_one = loaded(changes, at_once=1_000), loaded(changes, at_once=1)

    query = query_of(1, limit=50, text="coffee")
    assert answered(at_once, query) == answered(one_by_one, query)
    assert {"p00003", "p00004"} & {each for each, _ in answered(at_once, query)} == {"p00003"}


def test_a_vector_of_other_dimensions_is_refused() -> None:
    index = loaded(made_changes(3))

    with pytest.raises(ValueError, match="7 dimensions, not 24"):
        index.apply([point("odd", 9, unit_rows(1, 7, 1)[0])])


def test_a_collection_without_vectors_is_searched_by_words() -> None:
    index = loaded([point("a", 1, text="coffee"), point("b", 2, text="tea")], 0)

    assert answered(index, query_of(1, limit=5)) == []
    assert [id for id, _ in answered(index, query_of(1, limit=5, text="tea"))] == ["b"]
    assert [id for id, _ in answered(index, IndexQuery(5, text="coffee tea"))] == ["a", "b"]
    assert answered(index, IndexQuery(5)) == []


def test_words_are_scored_by_bm25() -> None:
    changes = made_changes(300)
    texts = [each.text for each in changes]
    index = loaded(changes)

    for text in ("coffee", "tea the unknown", "xk-42 brew", "Ünïcode"):
        expected = {
            each.id: score
            for each, score in zip(changes, bm25(texts, text), strict=True)
            if score > 0
        }
        found = dict(answered(index, IndexQuery(300, text=text)))
        assert found == pytest.approx(expected)


def test_scores_are_a_mean_weighted_by_alpha() -> None:
    index = loaded(made_changes(200))
    for alpha in (0.0, 0.3, 1.0):
        for each in index.search(query_of(3, limit=50, text="coffee tea", alpha=alpha)).points:
            vector, text = each.vector_score or 0.0, each.text_score or 0.0
            assert each.score == pytest.approx(alpha * vector + (1 - alpha) * text)


def test_no_point_is_below_the_least_score() -> None:
    index = loaded(made_changes(200))
    for text in ("", "coffee"):
        every = answered(index, query_of(1, limit=100, text=text))
        found = answered(index, query_of(1, limit=100, text=text, min_score=0.2))
        assert found == [pair for pair in every if pair[1] >= 0.2]


def test_ranks_are_those_of_all_points_and_are_fused() -> None:
    changes = made_changes(400)
    index = loaded(changes)
    query = query_of(2, limit=30, text="coffee", by_ranks=True, explain=True)
    vectors = sorted({score for _, score in nearest(changes, query_of(2, limit=400))}, reverse=True)

    points = index.search(query).points

    assert len(points) == 30
    for each in points:
        assert each.score == pytest.approx(
            sum(1 / (60 + rank) for rank in (each.vector_rank, each.text_rank) if rank)
        )
        if each.vector_score is not None:
            above = [score for score in vectors if score > each.vector_score]
            assert each.vector_rank is not None
            assert each.vector_rank > len(above)
        else:
            assert each.vector_rank is None
    assert [each.score for each in points] == sorted((p.score for p in points), reverse=True)


def test_explained_ranks_change_nothing_else() -> None:
    index = loaded(made_changes(400))
    plain = query_of(2, limit=30, text="coffee")
    explained = query_of(2, limit=30, text="coffee", explain=True)

    assert answered(index, plain) == answered(index, explained)


def test_points_that_match_are_listed_by_id() -> None:
    index = loaded(made_changes(50))

    first = index.match({"eq": {"n": 3}}, "", 3)
    rest = index.match({"eq": {"n": 3}}, first.points[-1].id, 3)

    assert [each.id for each in first.points] == ["p00003", "p00013", "p00023"]
    assert [each.id for each in rest.points] == ["p00033", "p00043"]
    assert (first.matched, [each.sequence for each in rest.points]) == (5, [34, 44])


@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(("put", "bare", "delete")))),
    st.integers(1, 5),
    st.integers(1, 8),
)
@settings(max_examples=40, deadline=None)
def test_any_changes_in_any_batches(made: list[tuple[int, str]], at_once: int, limit: int) -> None:
    rows = unit_rows(len(made) + 1, D, 4)
    changes = [
        tombstone(f"p{id}", at + 1)
        if what == "delete"
        else point(f"p{id}", at + 1, rows[at] if what == "put" else None, WORDS[id % 3])
        for at, (id, what) in enumerate(made)
    ]
    index, left = loaded(changes, at_once=at_once), live_points(changes)

    query = query_of(1, limit=limit)
    assert answered(index, query) == nearest(left, query)
    found = {id for id, _ in answered(index, IndexQuery(20, text=WORDS[0]))}
    assert found == {each.id for each in left if each.text == WORDS[0]}


class TestApproximate:
    """Above EXACT_ROWS vectors."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(collection_index, "EXACT_ROWS", 1_500)

    @pytest.fixture
    def changes(self) -> list[PointChange]:
        return made_changes(2_500)

    @pytest.fixture
    def index(self, changes: list[PointChange]) -> CollectionIndex:
        from deployments.search.approximate_index import ApproximateIndex

        index = loaded(changes)
        approximate = ApproximateIndex(D)
        approximate.add_rows(index.vector_rows(), index.vectors, 1)
        index.adopt(approximate)
        return index

    def test_it_finds_nearly_all_of_the_nearest(
        self, index: CollectionIndex, changes: list[PointChange]
    ) -> None:
        found = wanted = approximate = 0
        for seed in range(40):
            query = query_of(seed, limit=10)
            best = nearest(changes, query)
            ranking = index.search(query)
            approximate += not ranking.is_exact
            found += sum(each.score >= best[-1][1] for each in ranking.points)
            wanted += len(best)
        assert approximate == 40
        assert found / wanted >= 0.99

    @pytest.mark.parametrize("share", [1, 3, 300, 2_499])
    def test_it_never_answers_fewer_than_match(self, index: CollectionIndex, share: int) -> None:
        extra = [
            point(f"q{at:04}", 9_000 + at, row, "", {"rare": True})
            for at, row in enumerate(unit_rows(share, D, 8))
        ]
        index.apply(extra)

        ranking = index.search(query_of(1, limit=100, filter={"eq": {"rare": True}}))

        assert len(ranking.points) == min(100, share)
        assert ranking.matched == share

    def test_points_without_vectors_leave_no_gap(self, index: CollectionIndex) -> None:
        """Most of what passes the filter has no vector."""
        index.apply([point(f"w{at:05}", 9_000 + at, None, "", {"w": 1}) for at in range(3_000)])
        index.apply(
            [point(f"v{at}", 13_000 + at, unit_rows(8, D, 3)[at], "", {"w": 1}) for at in range(8)]
        )

        ranking = index.search(query_of(1, limit=10, filter={"eq": {"w": 1}}))

        assert sorted(each.id for each in ranking.points) == [f"v{at}" for at in range(8)]

    def test_changes_reach_it(self, index: CollectionIndex, changes: list[PointChange]) -> None:
        query = query_of(5, limit=3)
        best = [id for id, _ in nearest(changes, query)]
        assert query.vector is not None
        there = point("there", 9_000, query.vector.astype(np.float16))

        index.apply([tombstone(best[0], 8_999), there])

        found = [id for id, _ in answered(index, query)]
        assert found[0] == "there"
        assert best[0] not in found

    def test_a_collection_of_words_alone_needs_none(self) -> None:
        from deployments.search.approximate_build import needs_approximate

        index = loaded([point(f"p{at}", at + 1, text="tea") for at in range(1_600)])

        assert not needs_approximate(index)
        assert needs_approximate(loaded(made_changes(2_500)))
