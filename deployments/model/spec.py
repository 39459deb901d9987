"""The settings of one text model.

In: a mapping from serve_config.yaml. Out: a frozen `ModelSpec`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from deployments.model.engines.registry import AUTO, ENGINES
from deployments.model.text.tools.formats import FormatChoice

Spec = TypeVar("Spec", bound=BaseModel)

_SMALL = 100_000_000  # parameters
_DEFAULT_CACHE_SHARE = 2048  # tokens of cache for each running sequence by default, at most
_ENGINE_NAMES = (AUTO, *ENGINES)


def _check_engine(name: str) -> str:
    if name not in _ENGINE_NAMES:
        raise ValueError(f"engine is '{name}'; there are {', '.join(_ENGINE_NAMES)}")
    return name


EngineName = Annotated[
    str, AfterValidator(_check_engine), Field(json_schema_extra={"enum": list(_ENGINE_NAMES)})
]


OverLimit = Literal["clamp", "refuse"]


class ModelSpec(BaseModel):
    """One model and how it runs.

    Every field but `id` has a default that works on one CPU machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$",
        description="The name that requests use in `model`.",
    )
    engine: EngineName = Field(
        default="auto",
        description="auto: openvino on a CPU, vllm on NVIDIA where installed, else transformers.",
    )
    source: str = Field(
        default="nano",
        min_length=1,
        description="'nano' (shipped with Mobula), a local folder, or a Hugging Face id.",
    )
    revision: str | None = Field(
        default=None,
        description="Branch, tag or commit of a Hugging Face id; None takes its default branch.",
    )
    device: str = Field(
        default="auto",
        description="auto, cpu, gpu (openvino: an Intel GPU), cuda, cuda:1, mps, xpu ...",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="Arithmetic. auto: float32 on a CPU (greedy output equals the reference), "
        "else what the model was saved in.",
    )
    weight_format: Literal["fp32", "fp16", "int8", "int4"] = Field(
        default="fp16",
        description="How openvino stores weights when a model is first converted; int8 and int4 "
        "trade accuracy for memory and speed.",
    )
    context_length: int | None = Field(
        default=None,
        ge=16,
        description="Prompt and output tokens together; None takes the model's own limit. A lower "
        "value saves cache memory.",
    )
    max_output_tokens: int = Field(
        default=4096,
        ge=1,
        description="Longest answer. A request without max_tokens gets this much, or the room that "
        "the context leaves.",
    )
    over_limit: OverLimit = Field(
        default="clamp",
        description="What max_tokens above max_output_tokens, or above the room that the context "
        "leaves, means. clamp: the answer ends there, with finish_reason length; refuse: 400.",
    )
    max_running: int = Field(
        default=32, ge=1, le=4096, description="Sequences decoded together in one step."
    )
    max_waiting: int = Field(
        default=256,
        ge=0,
        description="Sequences that may wait beyond those; more get 429 or 503 and Retry-After.",
    )
    target_wait_s: float = Field(
        default=2.0,
        gt=0,
        le=600,
        description="Mean wait for a slot above which requests are shed, the least important "
        "first; batch requests may wait 15 times as long.",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="Threads of one forward pass. None: 1 for models under 100 M parameters (a "
        "second thread slows a single small stream down), else every CPU it may use.",
    )
    cache_tokens: int | None = Field(
        default=None,
        ge=16,
        description="Tokens that the attention cache holds for all running sequences. None: "
        "max_running x min(context_length, 2048). When it is full the youngest sequence is "
        "set back and computed again later.",
    )
    stream_interval_s: float = Field(
        default=0.005,
        ge=0,
        le=5,
        description="The longest time in seconds that a token of a stream is held back, to go with "
        "those that come meanwhile, of its own stream or of others. The first and the last are "
        "sent at once. A longer time saves CPU where many streams are open.",
    )
    tokens_per_second: float | None = Field(
        default=None, gt=0, description="echo only: pace of each sequence; None emits all at once."
    )
    first_token_s: float = Field(
        default=0.0, ge=0, description="echo only: delay before the first token."
    )
    tool_format: FormatChoice = Field(
        default="auto",
        description="How the model writes calls of tools: hermes (Qwen too), llama, mistral, or "
        "json, Mobula's own for any model; auto decides by the chat template; off: no tools.",
    )
    description: str = Field(default="", max_length=500, description="Shown in /v1/models.")
    max_image_edge: int = Field(
        default=1_024,
        ge=64,
        le=8_192,
        description="Of a model that takes pictures: the most pixels of a picture's longer side. "
        "Larger ones are made smaller; more pixels are more tokens.",
    )

    def thread_count(self, parameters: int | None) -> int:
        """`threads`, or 1 for a small model: a second thread waits more than it computes there."""
        if self.threads is not None:
            return self.threads
        if parameters is not None and parameters < _SMALL:
            return 1
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity is not None else os.cpu_count() or 1

    def cache_size(self, context_length: int) -> int:
        """Tokens of the attention cache: at least one whole context, or a sequence could not
        end."""
        share = self.max_running * min(context_length, _DEFAULT_CACHE_SHARE)
        return max(self.cache_tokens or share, context_length)


Weight = Annotated[float, Field(ge=0, le=1000)]


@dataclass(frozen=True, slots=True)
class Limits:
    """The part of a spec that a text model enforces."""

    context_length: int
    max_output_tokens: int = 4096
    max_running: int = 32
    max_waiting: int = 256
    target_wait_s: float = 2.0
    stream_interval_s: float = 0.005
    cache_tokens: int = 0
    over_limit: OverLimit = "clamp"


class LiveConfig(BaseModel):
    """Settings that Serve's `user_config` may change while a model runs; None: no change.

    `weight` is a replica's share of the requests under the routing policy `weighted`, in relation
    to the others': one for all, or by host name, `*` standing for all others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_waiting: int | None = Field(default=None, ge=0)
    target_wait_s: float | None = Field(default=None, gt=0, le=600)
    stream_interval_s: float | None = Field(default=None, ge=0, le=5)
    weight: Weight | dict[str, Weight] | None = None


def resolve_spec(kind: type[Spec], spec: Spec | Mapping[str, Any], deployed: str | None) -> Spec:
    """The spec that a replica runs: `deployed`, JSON of a later spec, before `spec`.

    Raises pydantic's ValidationError.
    """
    return kind.model_validate(spec) if deployed is None else kind.model_validate_json(deployed)
