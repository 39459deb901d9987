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

from deployments.text.operation import Vectors

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, eq=False)
class ShippedHead:
    """`by` is `name@version`; `revision` that of the embedding model's files whose vectors it
    reads (deployments/model/embeddings/model_files.py): of another model's it makes no sense."""

    by: str
    labels: tuple[str, ...]
    revision: str
    arrays: Mapping[str, Vectors]


@cache
def load_head(name: str) -> ShippedHead:
    """Takes about a millisecond, once."""
    facts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        arrays = {key: stored[key].astype(np.float32) for key in stored.files}
    by = f"{facts['name']}@{facts['version']}"
    return ShippedHead(by, tuple(facts["labels"]), facts["revision"], arrays)
