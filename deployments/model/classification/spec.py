"""The settings of one classifier.

In: a mapping from serve_config.yaml. Out: a frozen `ClassifierSpec`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.model.encoders.encoder import EncoderOptions
from deployments.model.encoders.spec import EncoderEngineName

Name = Annotated[str, Field(min_length=1, max_length=100)]


class ClassifierSpec(BaseModel):
    """One sequence classification model and how it runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$",
        description="The name that requests use in `model`.",
    )
    task: Literal["rerank", "moderation"] = Field(
        default="rerank",
        description="rerank: a cross-encoder, whose one output says how relevant a document is to "
        "a query. moderation: its labels are, or are mapped to, categories of harm.",
    )
    source: str = Field(
        min_length=1,
        description="A local folder, or the Hugging Face id of a sequence classification model.",
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
    categories: dict[Name, Name] = Field(
        default={},
        description="moderation: the category that each label of the model means. A label that is "
        "not listed counts if it is the name of one of OpenAI's categories, else not at all.",
    )
    threshold: float = Field(
        default=0.5, gt=0, le=1, description="moderation: the score from which a text is flagged."
    )
    description: str = Field(default="", max_length=500, description="Shown in /v1/models.")

    def options(self) -> EncoderOptions:
        return EncoderOptions(self.device, self.threads)
