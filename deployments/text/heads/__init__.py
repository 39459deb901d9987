"""Weights that ship with Mobula, and what is known of them; `python -m training heads` makes them.

`load_head` reads a head: NAME.json says what it is, NAME.npz holds its arrays. README.md is the
model card.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import OperationResult, unsupported
from deployments.text.probe import is_same_model

FOLDER = Path(__file__).parent
OTHER_MODEL = "It was trained for all-MiniLM-L6-v2, and another embedding model is configured."
INSTALL_MODEL = "Configure `minilm` in `embeddings` of serve_config.yaml."


@dataclass(frozen=True, slots=True, eq=False)
class ShippedHead:
    """`by` is `name@version`. The array `probe` is the vector of PROBE by the embedding model whose
    vectors the head reads."""

    by: str
    labels: tuple[str, ...]
    arrays: Mapping[str, Vectors]

    def refuse(self, probe: Vectors) -> OperationResult | None:
        """Why vectors of this embedding model, by its vector of PROBE, are not judged; None if they
        are."""
        if is_same_model(probe, self.arrays["probe"]):
            return None
        return unsupported(self.by, OTHER_MODEL, INSTALL_MODEL)


@cache
def load_head(name: str) -> ShippedHead:
    """Takes about a millisecond, once."""
    facts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        arrays = {key: stored[key].astype(np.float32) for key in stored.files}
    by = f"{facts['name']}@{facts['version']}"
    return ShippedHead(by, tuple(facts["labels"]), arrays)
