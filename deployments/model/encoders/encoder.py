"""The port of an encoder model, and the options of all engines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deployments.contracts.embedding import Vectors
from deployments.model.encoders.facts import EncoderFacts, Task
from deployments.model.encoders.tokens import TokenSequence
from deployments.model.model_files import ModelFiles


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """`device` as in a model's spec; `threads` of one forward pass on a CPU."""

    device: str = "auto"
    threads: int = 1


class Encoder(Protocol):
    """A loaded model. Blocking: `run` is called by one thread at a time."""

    name: str
    facts: EncoderFacts

    def run(self, sequences: Sequence[TokenSequence]) -> Vectors:
        """One row a sequence, in one forward pass: vectors, or logits. Raises RuntimeError."""
        ...


class BuildableEncoder(Protocol):
    """The class of an engine for encoders (engines.py)."""

    def build(
        self, model: str, files: ModelFiles, task: Task, options: EncoderOptions, home: Path
    ) -> Encoder:
        """Loads the model `files` under the id `model`; may convert it into `home` first (seconds,
        once). Raises RuntimeError when it cannot be loaded.
        """
        ...
