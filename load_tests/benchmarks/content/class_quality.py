"""Classes and topics of posts made from the grammar: by descriptions, by five examples, by topics.

In: posts whose subject is known. Out: accuracy. The posts are templates around nouns of eight
subjects, so they rank methods and say little about real posts.
"""

from collections.abc import Sequence

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.text.classifying import TextClassification
from deployments.text.operation import AnalyzedText, Options
from deployments.text.topics import TopicFinder, group_texts
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.content.planted_phrases import CLASSES, PlantedPost, planted_posts
from training.heads.embedding import LocalEmbedder

_EXAMPLES = 5
_TOPICS = {
    "food": {"food and drink"},
    "fitness": {"fitness", "sports"},
    "tech": {"technology"},
    "travel": {"travel"},
    "fashion": {"fashion", "beauty"},
    "art": {"art and design", "music", "books and writing", "events and parties", "photography"},
    "business": {"business", "career and jobs", "startups", "finance"},
    "community": {"charity and community", "education", "environment", "events and parties"},
}


def measure_classes(embedder: LocalEmbedder, posts: Sequence[PlantedPost]) -> list[Measurement]:
    described = [{"name": name, "description": text} for name, text in CLASSES.items()]
    examples: dict[str, list[str]] = {name: [] for name in CLASSES}
    for post in planted_posts(_EXAMPLES * len(CLASSES), seed=1_000):
        examples[post.subject].append(post.text)
    zero = _accuracy(embedder, posts, {"labels": described})
    few = _accuracy(embedder, posts, {"examples": examples})
    return [
        Measurement("classification", "right by descriptions", zero, at_least=0.7),
        Measurement("classification", "right by five examples", few, at_least=0.8),
        Measurement("classification", "right by chance", round(1 / len(CLASSES), 3)),
        Measurement("topics", "a topic of the subject is first", _topics_right(embedder, posts)),
        Measurement("topics", "purity of groups of 64 posts", _purity(embedder, posts)),
    ]


def _accuracy(embedder: LocalEmbedder, posts: Sequence[PlantedPost], options: Options) -> float:
    operation, vectors = TextClassification(), _Vectors(embedder)
    right = 0
    for post in posts:
        text = AnalyzedText(post.text, "en")
        strings = operation.strings_to_embed(text, options)
        result = operation.analyze(text, options, vectors.of(strings))
        right += result.value["label"] == post.subject
    return round(right / len(posts), 3)


class _Vectors:
    """Embeds each string once."""

    def __init__(self, embedder: LocalEmbedder) -> None:
        self._embedder = embedder
        self._rows: dict[str, Vectors] = {}

    def of(self, strings: Sequence[str]) -> Vectors:
        missing = [string for string in strings if string not in self._rows]
        if missing:
            self._rows.update(zip(missing, self._embedder.embed_all(missing), strict=True))
        return np.stack([self._rows[string] for string in strings])


def _topics_right(embedder: LocalEmbedder, posts: Sequence[PlantedPost]) -> float:
    finder = TopicFinder()
    vectors = _Vectors(embedder)
    right = 0
    for post in posts:
        text = AnalyzedText(post.text, "en")
        rows = vectors.of(finder.strings_to_embed(text, {"count": 1}))
        result = finder.analyze(text, {"count": 1}, rows)
        right += any(topic["topic"] in _TOPICS[post.subject] for topic in result.value)
    return round(right / len(posts), 3)


def _purity(embedder: LocalEmbedder, posts: Sequence[PlantedPost]) -> float:
    """The part of posts that are of the commonest subject of their group."""
    some = posts[:64]
    groups = group_texts(
        [post.text for post in some], embedder.embed_all([post.text for post in some])
    )
    right = 0
    for group in groups:
        subjects = [some[at].subject for at in group.members]
        right += max(map(subjects.count, subjects))
    return round(right / len(some), 3)
