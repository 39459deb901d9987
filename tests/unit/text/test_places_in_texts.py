"""Whatever the text, each span that is answered is where its words are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.contracts.text_analysis import OperationResult
from deployments.text.extractive import (
    sentences_of_text,
    summarize_by_vectors,
    word_vectors,
)
from deployments.text.grounding import find_ungrounded
from deployments.text.heads import load_head
from deployments.text.keywords import KeywordFinder
from deployments.text.language import letters_of
from deployments.text.operation import AnalyzedText, TextOperation
from deployments.text.passages import MAX_PASSAGE, joint_vector, passage_places, passages_of
from deployments.text.segments import find_words
from deployments.text.sentiment import SentimentScorer

_PIECES = (
    "tea love not hate 😀 👩‍👩‍👧 🇩🇪 e\u0301toile ﬁn İstanbul ß 東京 สวัสดี #tag @bob 3.5 :) \u200b "
    "www.tea.example WWW.x https://a.b jo@tea.example 12_a "
    "GREAT! co-op it's \u202e\n\n \t … 。 a\u0000b \ud800 ½ ＡＢＣ"
)
WORDS = st.sampled_from(_PIECES.split(" "))
TEXTS = st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=30).map(" ".join))


def analyzed(operation: TextOperation, text: str) -> OperationResult:
    wanted = AnalyzedText(text, "en")
    strings = operation.strings_to_embed(wanted, {})
    vectors = np.full((len(strings), 384), 0.05, dtype=np.float32)
    vectors[-1:] = load_head("sentiment").arrays["probe"]
    return operation.analyze(wanted, {}, vectors if strings else None)


@settings(max_examples=30, deadline=None)
@given(TEXTS)
def test_spans_of_operations_round_trip(text: str) -> None:
    for operation in (SentimentScorer(), KeywordFinder()):
        for span in analyzed(operation, text).spans:
            assert 0 <= span.start < span.end <= len(text)
            assert text[span.start : span.end] == span.text


@settings(max_examples=30, deadline=None)
@given(TEXTS, TEXTS)
def test_sentences_and_what_is_ungrounded_round_trip(text: str, source: str) -> None:
    places = sentences_of_text(text)
    vectors = word_vectors([text[start:end] for start, end in places])
    parts = summarize_by_vectors(text, places, vectors, 3) + find_ungrounded(text, source)

    for part in parts:
        assert text[part.start : part.end] == part.text


@settings(max_examples=30, deadline=None)
@given(TEXTS.map(lambda text: text * 20))
def test_passages_are_bounded_in_order_and_not_blank(text: str) -> None:
    places = passage_places(text)

    assert all(0 < end - start <= MAX_PASSAGE for start, end in places)
    assert all(one[1] <= other[0] for one, other in zip(places, places[1:], strict=False))
    passages = passages_of(text)
    assert all(passage.strip() for passage in passages)
    if passages:
        whole = joint_vector(passages, np.ones((len(passages), 4), dtype=np.float32))
        assert abs(float(np.linalg.norm(whole)) - 1) < 1e-5


@settings(max_examples=30, deadline=None)
@given(TEXTS)
def test_an_at_sign_by_itself_changes_no_word_and_no_letter_before_it(text: str) -> None:
    assert find_words(text + " @") == find_words(text)
    assert letters_of(text + " @") == letters_of(text)


@settings(max_examples=30, deadline=None)
@given(TEXTS)
def test_operations_share_the_passages_of_a_text(text: str) -> None:
    wanted = AnalyzedText(text)

    assert wanted.passage_places == passage_places(text)
    assert list(wanted.passages) == passages_of(text)


@settings(max_examples=30, deadline=None)
@given(TEXTS)
def test_a_source_grounds_itself(text: str) -> None:
    assert find_ungrounded(text, text) == []
