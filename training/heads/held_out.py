"""The held-out ratings as they are committed: vectors and numbers, no texts.

In: features and ratings by kind. Out: a file, and back. Vectors have 8 bits a number, by row, which
leaves cosines within 0.001 of the originals.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deployments.contracts.embedding import Vectors

MOST = 850  # texts of a kind that are committed


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutTexts:
    """Of one kind: `features` as the sentiment head reads them (the last four are VADER's numbers)
    and the mean `ratings` of people, from -4 to 4."""

    features: Vectors
    ratings: Vectors

    @property
    def compound(self) -> Vectors:
        """VADER's own judgement, from -1 to 1."""
        return self.features[:, -1]

    def sample(self) -> "HeldOutTexts":
        """At most MOST texts, evenly spread."""
        count = len(self.ratings)
        if count <= MOST:
            return self
        places = np.arange(MOST) * count // MOST
        return HeldOutTexts(self.features[places], self.ratings[places])


def write_held_out(path: Path, kinds: dict[str, HeldOutTexts]) -> None:
    arrays = {}
    for kind, texts in kinds.items():
        vectors, lexical = texts.features[:, :-4], texts.features[:, -4:]
        scale = np.abs(vectors).max(axis=1, keepdims=True) / 127
        arrays[f"{kind}.vectors"] = np.round(vectors / scale).astype(np.int8)
        arrays[f"{kind}.scale"] = scale.astype(np.float32)
        arrays[f"{kind}.lexical"] = lexical.astype(np.float32)
        arrays[f"{kind}.ratings"] = texts.ratings.astype(np.float32)
    np.savez_compressed(path, **arrays)


def read_held_out(path: Path) -> dict[str, HeldOutTexts]:
    with np.load(path, allow_pickle=False) as stored:
        kinds = dict.fromkeys(name.partition(".")[0] for name in stored.files)
        return {kind: _read(stored, kind) for kind in kinds}


def _read(stored: "np.lib.npyio.NpzFile", kind: str) -> HeldOutTexts:
    vectors = stored[f"{kind}.vectors"].astype(np.float32) * stored[f"{kind}.scale"]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    features = np.concatenate([vectors, stored[f"{kind}.lexical"]], axis=1)
    return HeldOutTexts(features.astype(np.float32), stored[f"{kind}.ratings"])
