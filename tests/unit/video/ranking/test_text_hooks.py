"""What makes a sentence grip, and how words become sentences."""

import pytest

from deployments.contracts.media import Transcript, Word
from deployments.video.ranking.hooks import hook_of
from deployments.video.ranking.sentences import sentences_of


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        ("What is it?", "en", "a question"),
        ("这是什么？", "zh", "a question"),
        ("ما هذا؟", "ar", "a question"),
        ("There were 40 of them.", "en", "a number"),
        ("عددهم ٤٠", "ar", "a number"),
        ("It is yours.", "en", "speaks to the viewer"),
        ("Das ist dein Fehler.", "de-AT", "speaks to the viewer"),
        ("Es el mejor.", "es", "an extreme"),
        ("Mais non.", "fr", "a turn"),
    ],
)
def test_reasons_are_told_in_many_languages(text: str, language: str, reason: str) -> None:
    assert reason in hook_of(text, language).reasons


def test_words_of_another_language_do_not_count() -> None:
    assert hook_of("he put the best but on a table", "sv").reasons == ()


def test_more_reasons_grip_more_and_never_beyond_one() -> None:
    plain, one, many = (
        hook_of(text, None).strength
        for text in ("He sat down.", "Why?", "But why do you never believe 3 of the best?!")
    )
    assert plain == 0 < one < many < 1


def words(*texts: str, pause: float = 0.1) -> Transcript:
    return Transcript(
        tuple(Word(at * (0.3 + pause), at * (0.3 + pause) + 0.3, t) for at, t in enumerate(texts)),
        "sidecar",
    )


def test_sentences_end_at_full_stops_and_long_pauses() -> None:
    said = words("One", "two.", "Three", "four")
    late = Word(20.0, 20.3, "five")
    told = sentences_of(Transcript((*said.words, late), "sidecar"))
    assert [sentence.text for sentence in told] == ["One two.", "Three four", "five"]


def test_words_without_any_punctuation_are_cut_into_pieces() -> None:
    told = sentences_of(words(*["word"] * 150))
    assert [len(sentence.words) for sentence in told] == [60, 60, 30]


@pytest.mark.parametrize(
    ("text", "keyword", "held"),
    [
        ("The Volcanoes are high.", "volcano", True),
        ("An interest  rates story.", "Interest Rates", True),
        ("He is a tenant.", "ant", False),
        ("我们看到火山了", "火山", True),
        ("Nothing here.", " ", False),
    ],
)
def test_keywords_are_found_where_a_word_begins(text: str, keyword: str, held: bool) -> None:
    (sentence,) = sentences_of(words(*text.split()), (keyword,))
    assert bool(sentence.keywords) is held
