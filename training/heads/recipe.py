"""The whole recipe of the heads: ratings in, weights, held-out vectors and the model card out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.text.heads import ShippedHead
from deployments.text.lexicon import lexicon_features
from deployments.text.probe import PROBE
from deployments.text.sentiment import LABELS
from training.heads.card import render_heads_card
from training.heads.embedding import LocalEmbedder, embed_in_parts
from training.heads.figures import sentiment_figures
from training.heads.hard_posts import judge_hard_posts
from training.heads.held_out import HeldOutTexts, write_held_out
from training.heads.ratings import RatedText, download_ratings, read_ratings
from training.heads.sentiment import train_sentiment
from training.heads.topics import topic_vectors

SENTIMENT_VERSION, TOPICS_VERSION = 1, 1


def build_heads(out: Path, work: Path, threads: int, log: Callable[[str], None]) -> None:
    """Writes both heads, held_out.npz and README.md to `out`; `work` keeps the download.

    Raises subprocess.CalledProcessError where pip cannot fetch the ratings, ValueError where they
    are not those that were pinned. Takes about six minutes of one core; a run that was interrupted
    goes on from the vectors that are in `work`.
    """
    rated = read_ratings(download_ratings(work))
    embedder = LocalEmbedder(work, threads)
    log(f"embedding {len(rated):,} rated texts")
    texts = [each.text for each in rated]
    vectors = embed_in_parts(embedder, texts, work / "vectors")
    lexical = np.stack([lexicon_features(text) for text in texts])
    features = np.concatenate([vectors, lexical], axis=1)
    is_held_out = np.array([each.is_held_out for each in rated])
    ratings = np.array([each.rating for each in rated], dtype=np.float32)
    trained = ~is_held_out
    kinds = [each.kind for each, is_used in zip(rated, trained, strict=True) if is_used]
    log(f"training on {len(kinds):,} of them")
    arrays = train_sentiment(features[trained], ratings[trained], kinds)
    held_out = _held_out(rated, features, ratings, is_held_out)
    head = ShippedHead(f"sentiment-head@{SENTIMENT_VERSION}", LABELS, arrays)
    figures = {kind: asdict(each) for kind, each in sentiment_figures(head, held_out).items()}
    for kind, each in figures.items():
        log(f"{kind}: macro-F1 {each['macro_f1']:.3f}, VADER {each['vader_macro_f1']:.3f}")
    hard = judge_hard_posts(head, embedder)
    topics, of_topics = topic_vectors(embedder)
    out.mkdir(parents=True, exist_ok=True)
    probe = embedder.embed_all([PROBE])[0]
    _write(out, "sentiment", head.by, LABELS, {**arrays, "probe": probe})
    topic_arrays = {"vectors": of_topics.astype(np.float16), "probe": probe}
    _write(out, "topics", f"topics@{TOPICS_VERSION}", topics, topic_arrays)
    write_held_out(out / "held_out.npz", {kind: each.sample() for kind, each in held_out.items()})
    measured = {"trained": len(kinds), "figures": figures, "hard_posts": hard}
    (out / "evaluation.json").write_text(json.dumps(measured, indent=2) + "\n")
    (out / "README.md").write_text(render_heads_card(measured, len(topics)))


def _held_out(
    rated: list[RatedText], features: Vectors, ratings: Vectors, is_held_out: Any
) -> dict[str, HeldOutTexts]:
    kinds = np.array([each.kind for each in rated])
    return {
        kind: HeldOutTexts(features[rows], ratings[rows])
        for kind in dict.fromkeys(kinds.tolist())
        if (rows := (kinds == kind) & is_held_out).any()
    }


def _write(
    out: Path, name: str, by: str, labels: tuple[str, ...], arrays: Mapping[str, Any]
) -> None:
    title, _, version = by.partition("@")
    facts = {"name": title, "version": int(version), "labels": labels}
    (out / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n")
    np.savez_compressed(out / f"{name}.npz", **arrays)
