"""Encoder models in torch: any device, and the reference for the other engine.

In: a model folder. Out: an `Encoder`. Imported only where a model is loaded with torch: that costs
a replica seconds and hundreds of megabytes.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.model.encoders.encoder import EncoderOptions
from deployments.model.encoders.facts import (
    EncoderFacts,
    Task,
    classification_facts,
    embedding_facts,
)
from deployments.model.encoders.tokens import TokenSequence, pad
from deployments.model.model_files import ModelFiles


class TorchEncoder:
    """A model of sentence-transformers or transformers on one device."""

    name = "torch"

    def __init__(self, module: Any, facts: EncoderFacts, device: Any) -> None:
        self.facts = facts
        self._module = module
        self._device = device

    @classmethod
    def build(
        cls, model: str, files: ModelFiles, task: Task, options: EncoderOptions, home: Path
    ) -> Self:
        """Raises RuntimeError when the model cannot be loaded."""
        import torch

        device = _device(options.device)
        if device == "cpu":
            torch.set_num_threads(options.threads)
        load = embedding_module if task == "embedding" else classification_module
        try:
            module, facts = load(str(files.folder), device)
        except (OSError, ValueError, ImportError) as error:
            raise RuntimeError(f"model '{model}': cannot load {files.folder}: {error}") from error
        return cls(module, facts, device)

    def run(self, sequences: Sequence[TokenSequence]) -> Vectors:
        if self.facts.pools_prompt:
            return self._run(sequences)
        rows = np.empty((len(sequences), self.facts.outputs), dtype=np.float32)
        order = sorted(range(len(sequences)), key=lambda at: sequences[at].prompt_tokens)
        for size, group in groupby(order, key=lambda at: sequences[at].prompt_tokens):
            places = list(group)
            rows[places] = self._run([sequences[at] for at in places], prompt_tokens=size)
        return rows

    def _run(self, sequences: Sequence[TokenSequence], prompt_tokens: int = 0) -> Vectors:
        import torch

        tensors = {
            name: torch.from_numpy(array).to(self._device)
            for name, array in pad(sequences, self.facts).items()
        }
        with torch.inference_mode():
            output = self._module(**tensors, prompt_length=prompt_tokens or None)
        return np.ascontiguousarray(output.float().cpu().numpy())


def embedding_module(folder: str, device: str = "cpu") -> tuple[Any, EncoderFacts]:
    """A module from token tensors to vectors. Raises OSError, ValueError, ImportError."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = SentenceTransformer(folder, device=device, local_files_only=True).eval()
    return _module(model, lambda output: output["sentence_embedding"]), embedding_facts(model)


def classification_module(folder: str, device: str = "cpu") -> tuple[Any, EncoderFacts]:
    """A module from token tensors to logits. Raises OSError, ValueError, ImportError."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    facts = classification_facts(model, tokenizer)
    return _module(model.eval().to(device), None), facts


def _module(model: Any, pick: Any) -> Any:
    """`model` as a module of named tensors with one output; `pick` takes it out of a mapping."""
    import torch

    class _OneOutput(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            input_ids: Any,
            attention_mask: Any,
            token_type_ids: Any = None,
            prompt_length: int | None = None,
        ) -> Any:
            features: Mapping[str, Any] = {
                "input_ids": input_ids,
                "attention_mask": attention_mask,
                **({} if token_type_ids is None else {"token_type_ids": token_type_ids}),
            }
            if pick is None:
                return self.model(**features).logits
            if prompt_length is not None:
                features = {**features, "prompt_length": prompt_length}
            return pick(self.model(dict(features)))

    return _OneOutput()


def _device(name: str) -> str:
    if name != "auto":
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
