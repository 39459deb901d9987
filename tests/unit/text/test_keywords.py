"""Keywords: candidates of a text, and which of them are chosen."""

import numpy as np
import pytest

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.text_analysis import NO_WORDS
from deployments.text.extractive import word_vectors
from deployments.text.keywords import (
    MAX_CANDIDATES,
    KeywordFinder,
    choose_candidates,
    find_candidates,
)
from deployments.text.operation import AnalyzedText

FINDER = KeywordFinder()
POST = "Our cold brew is back. Try cold brew with oat milk, only at the Night Market on Friday!"


def phrases(text: str) -> list[str]:
    return [candidate.phrase for candidate in find_candidates(AnalyzedText(text))]


def test_candidates_are_phrases_of_one_clause_without_stop_words_at_their_ends() -> None:
    found = phrases(POST)

    assert {"cold brew", "cold", "brew", "oat milk", "night market", "friday"} <= set(found)
    assert not {"our cold brew", "brew is", "milk only", "market on friday", "back"} & set(found)


def test_addresses_handles_and_numbers_are_no_candidates() -> None:
    assert phrases("See https://shop.example/tea or @anna, #tea: 2026 12 50") == []


def test_a_long_text_has_a_bounded_number_of_candidates_the_frequent_ones_first() -> None:
    text = " ".join(f"word{at} and" for at in range(5_000)) + " harbour. harbour! harbour?"

    found = find_candidates(AnalyzedText(text))

    assert len(found) == MAX_CANDIDATES
    assert len(next(each for each in found if each.phrase == "harbour").places) == 3


def test_the_closest_phrases_are_chosen_and_none_that_repeats_another() -> None:
    candidates = find_candidates(AnalyzedText("cold brew coffee and oat milk"))
    direction = {"cold brew coffee": 0.9, "cold brew": 0.8, "oat milk": 0.5, "milk": 0.4}
    vectors = np.zeros((len(candidates), 2), dtype=np.float32)
    for row, candidate in enumerate(candidates):
        closeness = direction.get(candidate.phrase, 0.1)
        vectors[row] = closeness, (1 - closeness**2) ** 0.5

    chosen = choose_candidates(np.array([1, 0], dtype=np.float32), vectors, candidates, 3)

    assert [candidate.phrase for candidate, _ in chosen] == ["cold brew coffee", "oat milk"]


def test_a_result_names_each_keyword_with_all_its_places() -> None:
    analyzed = AnalyzedText(POST)
    vectors = word_vectors(FINDER.strings_to_embed(analyzed, {"count": 2}))

    result = FINDER.analyze(analyzed, {"count": 2}, vectors)

    assert len(result.value) == 2
    assert {"Night Market", "cold brew"} & {keyword["text"] for keyword in result.value}
    assert [span.start for span in result.spans] == sorted(span.start for span in result.spans)
    assert all(POST[span.start : span.end] == span.text for span in result.spans)


def test_passages_are_embedded_apart_from_the_short_candidates() -> None:
    """One list, the passages first: who embeds sorts by length, so that none is padded."""
    strings = FINDER.strings_to_embed(AnalyzedText(POST), {})

    assert strings[0] == POST
    assert max(map(len, strings[1:])) < 40


@pytest.mark.parametrize("text", ["", "😀", "and or but", "https://example.com"])
def test_a_text_without_candidates_has_no_keywords(text: str) -> None:
    assert FINDER.strings_to_embed(AnalyzedText(text), {}) == ()
    assert FINDER.analyze(AnalyzedText(text), {}, None).reasons == (NO_WORDS,)


@pytest.mark.parametrize("count", [0, 21, "5", 2.0, True, None])
def test_a_wrong_count_is_refused_by_its_field(count: object) -> None:
    with pytest.raises(InvalidRequest, match="1 to 20") as refused:
        FINDER.strings_to_embed(AnalyzedText(POST), {"count": count})

    assert refused.value.param == "options.keywords.count"
