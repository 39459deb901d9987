"""The settings of one embedding model.

In: a mapping from serve_config.yaml. Out: a frozen `EmbeddingSpec`.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from deployments.model.encoders.encoder import EncoderOptions
from deployments.model.encoders.spec import EncoderEngineName


class EmbeddingSpec(BaseModel):
    """One embedding model and how it runs. Every field but `id` has a default for one CPU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$",
        description="The name that requests use in `model`.",
    )
    source: str = Field(
        default="minilm",
        min_length=1,
        description="'minilm' (all-MiniLM-L6-v2, installed with Mobula), a local folder, or the "
        "Hugging Face id of a sentence-transformers model.",
    )
    revision: str | None = Field(
        default=None,
        description="Branch, tag or commit of a Hugging Face id; None takes its default branch.",
    )
    engine: EncoderEngineName = Field(
        default="auto",
        description="auto: openvino on a CPU, else torch; torch also for a model that OpenVINO "
        "cannot take.",
    )
    device: str = Field(
        default="auto",
        description="auto, cpu, gpu (openvino: an Intel GPU), cuda, cuda:1, mps, xpu ...",
    )
    threads: int = Field(default=1, ge=1, description="Threads of one forward pass on a CPU.")
    max_batch_tokens: int = Field(
        default=4096,
        ge=16,
        description="Tokens of one forward pass, padding included. A text that has more is passed "
        "alone.",
    )
    max_waiting: int = Field(
        default=4096,
        ge=1,
        description="Texts that may wait; more get 503 and Retry-After. Batch requests may fill "
        "half of it.",
    )
    matryoshka: tuple[int, ...] = Field(
        default=(),
        description="Sizes to which this model's vectors may be cut, largest training benefit "
        "kept (Matryoshka models state them); other `dimensions` are refused.",
    )
    prompts: dict[
        Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=1000)]
    ] = Field(
        default={},
        description="What is put before a text by its `input_type` (query, document ...), beside "
        "and before the prompts that the model names itself.",
    )
    description: str = Field(default="", max_length=500, description="Shown in /v1/models.")

    def options(self) -> EncoderOptions:
        return EncoderOptions(self.device, self.threads)
