"""A sentence-transformers model in this process: texts or token ids in, vectors out.

Blocking, for worker threads: `tokenize` and `encode` may run at the same time, each once.
Knows no queue and no requests.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from deployments.contracts.embedding import Vectors
from deployments.model.embeddings.model_files import find_embedding_model
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.encoders.encoder import Encoder
from deployments.model.encoders.engines import load_encoder
from deployments.model.encoders.tokens import EncoderTokenizer, TokenSequence
from deployments.model.model_files import ModelFiles

# Names of input types that mean the same, in the APIs of Cohere, NVIDIA NIM and Voyage and in the
# prompts of models.
_SYNONYMS = (
    ("query", "search_query"),
    ("document", "passage", "search_document"),
)


class TextEncoder(Protocol):
    """The interface of a loaded model."""

    dimensions: int
    max_tokens: int
    tokenizer: EncoderTokenizer

    def tokenize(
        self, texts: Sequence[str], input_types: Sequence[str], *, cut: bool = False
    ) -> list[TokenSequence]:
        """The tokens of each text, special tokens and prompt included. `input_types`: none, one
        for all, or one for each. `cut` to the model's length, or whole."""
        ...

    def encode(self, sequences: Sequence[TokenSequence]) -> Vectors:
        """One vector a sequence, in one forward pass."""
        ...


class SentenceEncoder:
    """Any sentence-transformers model that reads tokens. The same texts in the same batch give the
    same vectors."""

    def __init__(
        self, encoder: Encoder, tokenizer: EncoderTokenizer, prompts: Mapping[str, str]
    ) -> None:
        """`prompts` by input type, beside those that the model names. Warms up."""
        facts = encoder.facts
        self.tokenizer = tokenizer
        self.max_tokens = facts.max_tokens
        self.dimensions = facts.outputs
        self.engine = encoder.name
        self._encoder = encoder
        self._prompts = {**facts.prompts, **prompts}
        self._default_prompt = facts.default_prompt
        self.encode(self.tokenize(["warm-up"], ()))

    def tokenize(
        self, texts: Sequence[str], input_types: Sequence[str], *, cut: bool = False
    ) -> list[TokenSequence]:
        types = input_types if len(input_types) > 1 else [*input_types, ""][:1] * len(texts)
        by_prompt: dict[str, list[int]] = {}
        for at, input_type in enumerate(types):
            by_prompt.setdefault(self._prompt(input_type), []).append(at)
        found: dict[int, TokenSequence] = {}
        for prompt, places in by_prompt.items():
            encoded = self.tokenizer.encode([texts[at] for at in places], prompt, cut=cut)
            found.update(zip(places, encoded, strict=True))
        return [found[at] for at in range(len(texts))]

    def encode(self, sequences: Sequence[TokenSequence]) -> Vectors:
        return self._encoder.run(sequences)

    def _prompt(self, input_type: str) -> str:
        """The text to put before another; the model's default for a type without one."""
        same = next((names for names in _SYNONYMS if input_type in names), ())
        names = (input_type, *same)
        return next(
            (self._prompts[name] for name in names if name in self._prompts), self._default_prompt
        )


def load_sentence_encoder(spec: EmbeddingSpec, home: Path) -> tuple[SentenceEncoder, ModelFiles]:
    """Find (or download, or convert), load and warm up. Raises FileNotFoundError, RuntimeError."""
    files = find_embedding_model(spec)
    encoder = load_encoder(spec.id, files, "embedding", spec.engine, spec.options(), home)
    tokenizer = EncoderTokenizer(_tokenizer_folder(files.folder), encoder.facts)
    return SentenceEncoder(encoder, tokenizer, spec.prompts), files


def _tokenizer_folder(folder: Path) -> Path:
    """Of the first module, which reads the text."""
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    return folder / str(modules[0].get("path", ""))
