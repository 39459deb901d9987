"""Operations of text analysis over the real all-MiniLM-L6-v2."""

from pathlib import Path

import pytest

from deployments.text.operation import AnalyzedText, TextOperation
from deployments.text.sentiment import SentimentScorer
from deployments.text.topics import TopicFinder
from load_tests.benchmarks.content.class_quality import measure_classes
from load_tests.benchmarks.content.keyword_quality import keywords_of, recall
from load_tests.benchmarks.content.planted_phrases import planted_posts
from training.heads.embedding import LocalEmbedder


@pytest.fixture(scope="module")
def embedder(home: Path) -> LocalEmbedder:
    return LocalEmbedder(home)


def value_of(operation: TextOperation, text: str, embedder: LocalEmbedder) -> dict[str, object]:
    analyzed = AnalyzedText(text, "en")
    vectors = embedder.embed_all(operation.strings_to_embed(analyzed, {}))
    found: dict[str, object] = operation.analyze(analyzed, {}, vectors).value
    return found


def test_planted_phrases_are_among_the_first_five_keywords(embedder: LocalEmbedder) -> None:
    posts = planted_posts(40, seed=11)

    assert recall(posts, keywords_of(embedder, [post.text for post in posts])) >= 0.95


def test_short_candidates_are_not_padded_to_the_length_of_the_post(
    embedder: LocalEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch with a post of 100 tokens, each of 60 candidates would cost 100 tokens."""
    padded = []
    encode = embedder._encoder.encode
    monkeypatch.setattr(
        embedder._encoder,
        "encode",
        lambda batch: (
            padded.append(len(batch) * max(each.prompt_tokens for each in batch)) or encode(batch)
        ),
    )

    embedder.embed_all(["The jazz concert starts at nine. " * 14, *["cold brew"] * 60])

    assert sum(padded) < 1_500


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Best coffee in town, I love this little place!", "positive"),
        ("Never again. The food was cold and the waiter was rude.", "negative"),
        ("The shop opens at nine on Saturday.", "neutral"),
    ],
)
def test_sentiment_of_plain_posts(text: str, label: str, embedder: LocalEmbedder) -> None:
    assert value_of(SentimentScorer(), text, embedder)["label"] == label


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Our new pasta menu starts tonight, the chef is proud of it.", "food and drink"),
        ("The striker scored twice and the team won the cup.", "sports"),
        ("The central bank raised interest rates again.", "finance"),
    ],
)
def test_topics_of_plain_posts(text: str, topic: str, embedder: LocalEmbedder) -> None:
    found = value_of(TopicFinder(), text, embedder)

    assert [each["topic"] for each in found][:1] == [topic]  # type: ignore[index]


def test_classes_and_groups_of_posts_from_templates(embedder: LocalEmbedder) -> None:
    measured = measure_classes(embedder, planted_posts(64, seed=12))

    assert [each.name for each in measured if not each.met] == []
