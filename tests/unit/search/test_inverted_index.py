"""Postings that are merged, and rows that move up, change no score."""

import numpy as np
import pytest

from deployments.search.inverted_index import InvertedIndex
from tests.unit.search.plain_search import bm25

WORDS = [f"word{number}" for number in range(40)]
QUERIES = ("word1", "word1 word7 word7 unheard", "unheard", "WORD2, word39")


def made_texts(count: int) -> list[str]:
    random = np.random.default_rng(3)
    return [" ".join(random.choice(WORDS, size=number % 9)) for number in range(count)]


def filled(texts: list[str], at_once: int = 1) -> InvertedIndex:
    index = InvertedIndex()
    for start in range(0, len(texts), at_once):
        index.extend(texts[start : start + at_once])
    return index


@pytest.mark.parametrize("at_once", [1, 50, 200])
def test_scores_are_those_of_plain_bm25(at_once: int) -> None:
    texts = made_texts(200)
    index = filled(texts, at_once)

    for query in QUERIES:
        scores = index.scores(query, np.ones(200, np.bool_))
        assert scores == pytest.approx(bm25(texts, query))


def test_rows_that_are_not_live_count_nowhere() -> None:
    texts, live = made_texts(200), np.arange(200) % 3 > 0
    index = filled(texts, 40)
    left = [text for text, is_live in zip(texts, live, strict=True) if is_live]

    for query in QUERIES:
        scores = index.scores(query, live)
        assert scores is not None
        assert scores[live] == pytest.approx(bm25(left, query))
        assert not scores[~live].any()


def test_kept_rows_move_up() -> None:
    texts, kept = made_texts(200), np.arange(200) % 3 > 0
    index = filled(texts, 40)
    before = [index.scores(query, kept) for query in QUERIES]

    index.keep(kept)
    index.extend(["word1 word2"])

    live = np.ones(int(kept.sum()) + 1, np.bool_)
    live[-1] = False
    for query, old in zip(QUERIES, before, strict=True):
        new = index.scores(query, live)
        assert new is not None
        assert old is not None
        assert np.array_equal(new[:-1], old[kept])


def test_parts_are_few_and_can_be_merged() -> None:
    texts = made_texts(200)
    index = filled(texts)
    assert len(index.parts) < 10
    live = np.ones(200, np.bool_)
    before = [index.scores(query, live) for query in QUERIES]

    index.merge()

    assert len(index.parts) == 1
    for query, old in zip(QUERIES, before, strict=True):
        assert np.array_equal(index.scores(query, live), old)


def test_a_query_without_words_scores_nothing() -> None:
    assert filled(["word1"]).scores("?!", np.ones(1, np.bool_)) is None


def test_empty_texts_and_no_texts() -> None:
    assert filled([]).scores("word1", np.ones(0, np.bool_)) == pytest.approx([])
    assert filled(["", ""]).scores("word1", np.ones(2, np.bool_)) == pytest.approx([0, 0])


def test_a_word_that_is_there_very_often() -> None:
    index = filled(["word1 " * 70_000, "word1 word2"])

    scores = index.scores("word1", np.ones(2, np.bool_))

    assert scores is not None
    assert 0 < scores[1] < scores[0]
