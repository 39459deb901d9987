"""The settings of one embedding model.

In: a mapping from serve_config.yaml. Out: a frozen `EmbeddingSpec`.
"""

from typing import Annotated

from pydantic import Field

from deployments.model.encoders.spec import EncoderSpec


class EmbeddingSpec(EncoderSpec):
    """One embedding model and how it runs. Every field but `id` has a default for one CPU."""

    source: str = Field(
        default="minilm",
        min_length=1,
        description="'minilm' (all-MiniLM-L6-v2, installed with Mobula), a local folder, or the "
        "Hugging Face id of a sentence-transformers model.",
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
