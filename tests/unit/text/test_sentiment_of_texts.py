"""Sentiment: what the shipped head is worth on held-out ratings, and what it says of a text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import NO_WORDS
from deployments.text.heads import FOLDER, load_head
from deployments.text.lexicon import lexicon_features, rated_words
from deployments.text.operation import AnalyzedText
from deployments.text.sentiment import LABELS, SentimentScorer
from training.heads.figures import SentimentFigures, sentiment_figures
from training.heads.held_out import read_held_out

SCORER = SentimentScorer()


@pytest.fixture(scope="module")
def figures() -> dict[str, SentimentFigures]:
    return sentiment_figures(load_head("sentiment"), read_held_out(FOLDER / "held_out.npz"))


@pytest.mark.parametrize(
    ("kind", "least", "ahead"),
    [("tweets", 0.74, 0.04), ("film", 0.48, 0.04), ("products", 0.62, 0.04), ("news", 0.56, 0.03)],
)
def test_held_out_texts_are_judged_better_than_by_vader(
    figures: dict[str, SentimentFigures], kind: str, least: float, ahead: float
) -> None:
    found = figures[kind]

    assert found.texts >= 700
    assert found.macro_f1 >= least
    assert found.macro_f1 >= found.vader_macro_f1 + ahead
    assert found.pearson >= found.vader_pearson


def test_the_held_out_texts_are_committed_small_and_without_words() -> None:
    path = FOLDER / "held_out.npz"

    assert path.stat().st_size < 2_000_000
    with np.load(path, allow_pickle=False) as stored:
        assert {stored[name].dtype.kind for name in stored.files} <= {"i", "f"}


def plain_vectors(text: str) -> Vectors:
    """Vectors that say nothing, so that the lexicon decides."""
    count = len(SCORER.strings_to_embed(AnalyzedText(text), {}))
    vectors = np.zeros((count, 384), dtype=np.float32)
    vectors[-1:] = load_head("sentiment").arrays["probe"]
    return vectors


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this wonderful place, it is the best!", "positive"),
        ("Horrible service, I hate it. The worst meal ever.", "negative"),
    ],
)
def test_a_text_gets_a_label_a_score_and_the_words_that_speak_for_it(text: str, label: str) -> None:
    result = SCORER.analyze(AnalyzedText(text), {}, plain_vectors(text))

    assert result.by == "sentiment-head@1"
    assert result.value["label"] == label
    assert (result.value["score"] > 0) == (label == "positive")
    assert set(result.value["probabilities"]) == set(LABELS)
    assert sum(result.value["probabilities"].values()) == pytest.approx(1, abs=0.01)
    assert result.confidence == result.value["probabilities"][label]
    assert {span.kind for span in result.spans} == {label}
    assert all(text[span.start : span.end] == span.text for span in result.spans)
    assert result.reasons[0].endswith(").")


@pytest.mark.parametrize("text", ["", "   ", "😀", "!!! ...", "https://example.com/great"])
def test_a_text_without_words_has_no_sentiment(text: str) -> None:
    result = SCORER.analyze(AnalyzedText(text), {}, None)

    assert (result.value, result.reasons) == (None, (NO_WORDS,))


def test_vectors_of_another_embedding_model_are_not_judged() -> None:
    result = SCORER.analyze(AnalyzedText("I love it"), {}, np.eye(2, 384, dtype=np.float32))

    assert not result.supported
    assert "minilm" in result.install


def test_a_long_text_has_the_mean_of_its_passages() -> None:
    praise, blame = "This is a wonderful day. ", "This is a horrible day. "
    mixed = praise * 50 + blame * 50

    one, other, both = (
        SCORER.analyze(AnalyzedText(text), {}, plain_vectors(text)).value["score"]
        for text in (praise * 50, blame * 50, mixed)
    )

    assert other < both < one
    assert both == pytest.approx((one + other) / 2, abs=0.1)


def test_words_are_rated_where_they_stand_with_their_negation() -> None:
    text = "It was not good, but I really LOVE the end 😀, yes :)"

    found = [(text[start:end], valence > 0) for (start, end), valence in rated_words(text)]

    assert found == [("good", False), ("LOVE", True), ("😀", True), ("yes", True), (":)", True)]


def test_features_are_vaders_numbers() -> None:
    negative, neutral, positive, compound = lexicon_features("VADER is smart, handsome, and funny!")

    assert negative + neutral + positive == pytest.approx(1, abs=0.01)
    assert compound == pytest.approx(0.8439, abs=1e-4)  # as its authors publish


VADER = SentimentIntensityAnalyzer()
# Words by which VADER judges others that are near them, and words with a valence.
WORDS = """
    good GOOD bad great hate love no not never so this without doubt but least at very kind of sort
    the bomb shit to die for ass yeah right isn't nor extremely barely 😀 :) !! ok? a table red
    """
RATED = st.lists(st.sampled_from(WORDS.split()), max_size=14)


@given(words=RATED)
def test_what_is_remembered_of_words_changes_nothing(words: list[str]) -> None:
    text = " ".join(words)
    scores = VADER.polarity_scores(text)
    plain = [scores[name] for name in ("neg", "neu", "pos", "compound")]
    assert lexicon_features(text).tolist() == np.array(plain, dtype=np.float32).tolist()
