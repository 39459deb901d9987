"""What the specs of all encoder models share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from deployments.model.encoders.encoder import EncoderOptions
from deployments.model.encoders.engines import ENCODER_ENGINES
from deployments.model.engines.registry import AUTO

_NAMES = (AUTO, *ENCODER_ENGINES)


def _check_engine(name: str) -> str:
    if name not in _NAMES:
        raise ValueError(f"engine is '{name}'; there are {', '.join(_NAMES)}")
    return name


EncoderEngineName = Annotated[
    str, AfterValidator(_check_engine), Field(json_schema_extra={"enum": list(_NAMES)})
]


class EncoderSpec(BaseModel):
    """One encoder model and how it runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$",
        description="The name that requests use in `model`.",
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
    description: str = Field(default="", max_length=500, description="Shown in /v1/models.")

    def options(self) -> EncoderOptions:
        return EncoderOptions(self.device, self.threads)
