"""The topics that ship: phrases of each topic in, one vector a topic out.

The vector is the mean of the vectors of the topic's name and its phrases.
"""

import json
from pathlib import Path

import numpy as np

from deployments.contracts.embedding import Vectors
from training.heads.embedding import LocalEmbedder

_DATA = Path(__file__).parent / "data" / "topics.json"


def topic_phrases() -> dict[str, list[str]]:
    phrases: dict[str, list[str]] = json.loads(_DATA.read_text(encoding="utf-8"))
    return phrases


def topic_vectors(embedder: LocalEmbedder) -> tuple[tuple[str, ...], Vectors]:
    """The topics, and a row of length 1 for each."""
    topics = topic_phrases()
    rows = [embedder.embed_all([topic, *phrases]).mean(axis=0) for topic, phrases in topics.items()]
    vectors = np.stack(rows)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return tuple(topics), vectors.astype(np.float32)
