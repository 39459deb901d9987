"""Encoder models in OpenVINO: the engine for CPUs and Intel GPUs.

In: a model folder, or a folder of `conversion.py`. Out: an `Encoder`. No torch is loaded here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.model.encoders.bert_graph import build_bert
from deployments.model.encoders.conversion import find_ir
from deployments.model.encoders.encoder import EncoderOptions
from deployments.model.encoders.facts import EncoderFacts, Task
from deployments.model.encoders.tokens import TokenSequence, pad
from deployments.model.model_files import IR_NAME, ModelFiles

# Widths of batches are multiples of it: what OpenVINO prepares for the shape of an input, which
# takes as long as a dozen tokens, it has for one that it has seen.
WIDTH_STEP = 4


class OpenVinoEncoder:
    """Computes in float32, so that vectors equal torch's."""

    name = "openvino"

    def __init__(self, graph: Any, facts: EncoderFacts, options: EncoderOptions) -> None:
        """`graph` is an openvino.Model or the path of one. Raises RuntimeError."""
        import openvino

        self.facts = facts
        device = "CPU" if options.device in ("auto", "cpu") else options.device.upper()
        properties: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if device == "CPU":
            properties["INFERENCE_NUM_THREADS"] = options.threads
            properties["ENABLE_CPU_PINNING"] = False
            properties["NUM_STREAMS"] = 1
        compiled = openvino.Core().compile_model(graph, device, properties)
        self._request = compiled.create_infer_request()

    @classmethod
    def build(
        cls, model: str, files: ModelFiles, task: Task, options: EncoderOptions, home: Path
    ) -> Self:
        """Raises conversion.ConversionFailed, or RuntimeError when it cannot be loaded."""
        try:
            built = build_bert(files.folder) if task == "embedding" else None
            if built is not None:
                return cls(*built, options)
            folder = find_ir(model, files, task, home)
            return cls(str(folder / IR_NAME), EncoderFacts.read(folder), options)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RuntimeError(f"model '{model}': cannot load {files.folder}: {error}") from error

    def run(self, sequences: Sequence[TokenSequence]) -> Vectors:
        results = self._request.infer(pad(sequences, self.facts, WIDTH_STEP), share_inputs=True)
        return np.array(results[0], dtype=np.float32)
