"""How good text analysis is, part by part, for `./mobula bench content text`.

In: how many texts, and whether YAKE is measured beside. Out: figures with targets.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.content.class_quality import measure_classes
from load_tests.benchmarks.content.keyword_quality import measure_keywords
from load_tests.benchmarks.content.language_quality import measure_languages
from load_tests.benchmarks.content.pii_quality import measure_pii
from load_tests.benchmarks.content.planted_phrases import planted_posts
from load_tests.benchmarks.content.sentiment_quality import measure_sentiment
from training.heads.embedding import LocalEmbedder

SEED = 7


@dataclass(frozen=True, slots=True)
class QualityOptions:
    """`posts` made from templates for keywords and classes, `spans` of personal data."""

    posts: int = 1_000
    spans: int = 2_000
    with_yake: bool = True


def measure_text_quality(
    options: QualityOptions, home: Path, log: Callable[[str], None]
) -> list[Measurement]:
    """Blocks for about two minutes. Raises MissingRequirement where YAKE is wanted and cannot be
    installed."""
    log("sentiment on held-out ratings, languages, personal data")
    measurements = [
        *measure_sentiment(),
        *measure_languages(),
        *measure_pii(options.spans, SEED),
    ]
    embedder = LocalEmbedder(home)
    posts = planted_posts(options.posts, SEED)
    log(f"keywords of {options.posts:,} posts")
    measurements += measure_keywords(embedder, posts, with_yake=options.with_yake)
    log("classes and topics")
    return measurements + measure_classes(embedder, posts)
