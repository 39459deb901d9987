"""A sentence-transformers model in this process: texts in, vectors and token counts out.

Blocking, for worker threads: `count` and `encode` may run at the same time, each once.
Knows no queue and no requests.
"""

import copy
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.model.embeddings.model_files import find_embedding_model
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.model_files import ModelFiles

_DEFAULT_LENGTH = 512


class TextEncoder(Protocol):
    """The interface of a loaded model."""

    dimensions: int
    max_tokens: int

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, without truncation."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One vector a text, in one forward pass."""
        ...


class SentenceEncoder:
    """Any sentence-transformers model. The same texts in the same batch give the same vectors."""

    def __init__(self, spec: EmbeddingSpec, files: ModelFiles) -> None:
        """Loads and warms up. Raises RuntimeError when the model cannot be loaded."""
        self._model = _load(spec, files)
        # Encoding sets truncation on its tokenizer, which is not safe beside counting.
        self._tokenizer = copy.deepcopy(self._model.tokenizer)
        self._prompt = _prompt(self._model)
        self.max_tokens = int(self._model.get_max_seq_length() or _DEFAULT_LENGTH)
        self.dimensions = int(self.encode(["warm-up"]).shape[1])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        prompted = [self._prompt + text for text in texts]
        encoding = self._tokenizer(prompted, truncation=False, padding=False, verbose=False)
        return [len(ids) for ids in encoding["input_ids"]]

    def encode(self, texts: Sequence[str]) -> Vectors:
        vectors = self._model.encode(
            list(texts), batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)


def load_encoder(spec: EmbeddingSpec) -> tuple[SentenceEncoder, ModelFiles]:
    """Find (or download), load and warm up. Raises FileNotFoundError or RuntimeError."""
    files = find_embedding_model(spec)
    return SentenceEncoder(spec, files), files


def _load(spec: EmbeddingSpec, files: ModelFiles) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    device = None if spec.device == "auto" else spec.device
    if device in (None, "cpu"):
        torch.set_num_threads(spec.threads)
    try:
        return SentenceTransformer(str(files.folder), device=device, local_files_only=True).eval()
    except (OSError, ValueError, ImportError) as error:
        raise RuntimeError(
            f"embeddings '{spec.id}': cannot load {files.folder}: {error}"
        ) from error


def _prompt(model: Any) -> str:
    """What the model puts before every text by itself."""
    return str(model.prompts.get(model.default_prompt_name or "", "") or "")
