"""Vectors of many texts from the model that ships with Mobula, in this process.

In: texts of any length and number. Out: one row a text. Texts of like length share a pass, so that
none is padded to the longest.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.model.embeddings.embedder import load_sentence_encoder
from deployments.model.embeddings.spec import EmbeddingSpec

BATCH = 32
PART = 1_000
_MODEL = "minilm"


class LocalEmbedder:
    """Implements TextEmbedder."""

    def __init__(self, home: Path, threads: int = 1) -> None:
        """Loads all-MiniLM-L6-v2: a second. `home` keeps a converted model."""
        spec = EmbeddingSpec(id=_MODEL, threads=threads)
        self._encoder, _ = load_sentence_encoder(spec, home)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return self.embed_all(texts)

    def embed_all(self, texts: Sequence[str]) -> Vectors:
        """Blocks for about 4 ms a short text."""
        sequences = self._encoder.tokenize(texts, (), cut=True)
        order = sorted(range(len(texts)), key=lambda at: sequences[at].prompt_tokens)
        rows = np.empty((len(texts), self._encoder.dimensions), dtype=np.float32)
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            rows[places] = self._encoder.encode([sequences[at] for at in places])
        return rows


def embed_in_parts(embedder: LocalEmbedder, texts: Sequence[str], folder: Path) -> Vectors:
    """One row a text. Each part of PART texts is in `folder` when it is done, and is not embedded
    again: `folder` is for the same texts only."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for first in range(0, len(texts), PART):
        path = folder / f"{first:06}.npy"
        if not path.exists():
            np.save(path, embedder.embed_all(texts[first : first + PART]))
        parts.append(np.load(path))
    return np.concatenate(parts)
