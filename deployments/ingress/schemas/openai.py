"""What OpenAI clients may send to `/v1`, checked to the last field.

An unknown field or a wrong type is Malformed (422, with a pointer). A field that OpenAI knows and
this server does not is refused by name (`refuse_unsupported`), unless its value asks for nothing.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.numbers import FLOAT32
from cluster.runtime.problems import UnsupportedParameter
from deployments.contracts.generation import Sampling
from deployments.ingress.schemas.chat_messages import ChatMessage
from deployments.ingress.schemas.structured_output import StructuredOutputFields
from deployments.ingress.schemas.tools import ToolChoice, Tools

MAX_CHOICES = 16
MAX_OUTPUT_TOKENS = 131_072
MAX_MESSAGES = 1_000
MAX_TOP_LOGPROBS = 20

# field -> the values that ask for nothing, and why any other is refused
_Refusals = Mapping[str, tuple[tuple[Any, ...], str]]
_OLDER = "its successor is tools."


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StreamOptions(_Strict):
    """`include_usage` asks for one more chunk with the token counts."""

    include_usage: bool = False
    include_obfuscation: bool = False


Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False), FLOAT32]


class _Generation(_Strict, StructuredOutputFields):
    """Fields that chat and plain completions share."""

    refused: ClassVar[_Refusals] = {"logit_bias": ((None, {}), "token biases are not implemented.")}

    model: Annotated[str, Field(min_length=1, max_length=100, examples=["nano"])]
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = 1
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MAX_OUTPUT_TOKENS)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False), FLOAT32] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), FLOAT32] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000)] | None = None
    stop: (
        Annotated[str, Field(min_length=1, max_length=256)]
        | Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=8)]
        | None
    ) = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    ignore_eos: bool = False
    user: Annotated[str, Field(max_length=512)] | None = None
    # Known to OpenAI, not to us: accepted only with a value that asks for nothing.
    logit_bias: dict[str, Any] | None = None

    def sampling(self, max_tokens: int | None, logprobs: int | None) -> Sampling:
        """`logprobs` is how many alternatives to report with each token (None: nothing)."""
        stop = self.stop if self.stop is not None else ()
        return Sampling(
            max_tokens=max_tokens,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            top_k=self.top_k or 0,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            seed=None if self.seed is None else self.seed & 0x7FFF_FFFF,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            logprobs=logprobs,
            ignore_eos=self.ignore_eos,
        )

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def refuse_unsupported(self) -> None:
        """Raises UnsupportedParameter naming the first field that cannot be honoured."""
        if self.stream_options is not None and not self.stream:
            raise UnsupportedParameter("stream_options", "it goes with stream=true.")
        for name in self.model_fields_set & self.refused.keys():
            idle, why = self.refused[name]
            if getattr(self, name) not in idle:
                raise UnsupportedParameter(name, why)


class ChatRequest(_Generation):
    """Body of `POST /v1/chat/completions`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": "nano",
                "messages": [
                    {
                        "role": "user",
                        "content": "Write an Instagram caption about a new coffee shop",
                    }
                ],
                "max_tokens": 64,
            }
        }
    )

    refused: ClassVar[_Refusals] = {
        **_Generation.refused,
        "functions": ((None, []), _OLDER),
        "function_call": ((None, "none", "auto"), _OLDER),
        "modalities": ((None, [], ["text"]), "only text is."),
        "audio": ((None,), "only text is."),
        "prediction": ((None,), "predicted outputs are not implemented."),
        "reasoning_effort": ((None, "none"), "no configured model reasons."),
        "verbosity": ((None, "medium"), "say it in the prompt."),
        "web_search_options": ((None,), "models here do not search."),
        "store": ((None, False), "answers are not stored."),
        "service_tier": ((None, "auto", "default"), "there is one tier."),
    }

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_OUTPUT_TOKENS)] | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    parallel_tool_calls: bool | None = None
    modalities: list[str] | None = None
    audio: Any = None
    prediction: Any = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    web_search_options: Any = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class CompletionRequest(_Generation):
    """Body of `POST /v1/completions`: one raw prompt, continued."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"model": "nano", "prompt": "Good coffee is", "max_tokens": 32}
        }
    )

    refused: ClassVar[_Refusals] = {
        **_Generation.refused,
        "echo": ((None, False), "put the prompt before the answer yourself."),
        "best_of": ((None, 1), "ask for n and choose."),
        "suffix": ((None, ""), "filling in the middle is not implemented."),
    }

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)]
    logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    echo: bool | None = False
    best_of: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    suffix: str | None = None

    @property
    def text(self) -> str:
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]
