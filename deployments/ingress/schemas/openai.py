"""What OpenAI clients may send to `/v1`.

A wrong type or a value out of range is Malformed, with a pointer. A field that this server does not
know is ignored by its routes, and named in a header (http/ignored_fields.py). A field whose meaning
it cannot honour is refused by name (`refuse_unsupported`), unless its value asks for nothing; a
mere hint is ignored (`hints`).
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.numbers import FLOAT32, WHOLE
from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import Sampling
from deployments.ingress.names.spec import DEFAULT
from deployments.ingress.schemas.chat_messages import ChatMessage
from deployments.ingress.schemas.lenient import HintedBody, RequestedModel
from deployments.ingress.schemas.structured_output import StructuredOutputFields
from deployments.ingress.schemas.template_use import TemplatedBody, TemplateUse
from deployments.ingress.schemas.tools import ToolChoice, Tools

MAX_CHOICES = 16
MAX_MESSAGES = 1_000
MAX_TOP_LOGPROBS = 20
MAX_OUTPUT_TOKENS = 2**31 - 1  # models clamp it
MAX_STOPS = 32
MAX_STOP_IDS = 64
MAX_BIASES = 300
MAX_PROMPTS = 64
MAX_SEQUENCES = 128  # prompts times n
NO_LIMIT = -1  # of max_tokens and top_k, as vLLM's clients write it

# field -> the values that ask for nothing, and why any other is refused
_Refusals = Mapping[str, tuple[tuple[Any, ...], str]]
_OLDER = "its successor is tools."
_PREFIX = "an answer begins with a turn of its own."


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StreamOptions(_Strict):
    """`include_usage` asks for one more chunk with the token counts."""

    include_usage: bool | None = False
    include_obfuscation: bool | None = False


Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False), FLOAT32]
Bias = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False), FLOAT32]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TokenName = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
StopString = Annotated[str, Field(max_length=256)]
Maximum = Annotated[int, Field(ge=NO_LIMIT, le=MAX_OUTPUT_TOKENS), WHOLE]


class _Generation(HintedBody, StructuredOutputFields, TemplatedBody):
    """Fields that chat and plain completions share."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    refused: ClassVar[_Refusals] = {}

    model: RequestedModel = DEFAULT
    template: Annotated[
        TemplateUse | None,
        Field(description="With it, what it gives may be left out: the model, messages, prompt."),
    ] = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES), WHOLE] | None = 1
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: Maximum | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False), FLOAT32] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), FLOAT32] | None = None
    top_k: Annotated[int, Field(ge=NO_LIMIT, le=1_000), WHOLE] | None = None
    min_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), FLOAT32] | None = None
    stop: StopString | Annotated[list[StopString], Field(max_length=MAX_STOPS)] | None = None
    stop_token_ids: Annotated[list[TokenId], Field(max_length=MAX_STOP_IDS)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63), WHOLE] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: (
        Annotated[float, Field(gt=0, le=10, allow_inf_nan=False), FLOAT32] | None
    ) = None
    logit_bias: Annotated[dict[TokenName, Bias], Field(max_length=MAX_BIASES)] | None = None
    ignore_eos: bool | None = False
    user: Annotated[str, Field(max_length=512)] | None = None
    metadata: dict[str, Any] | None = None

    def sampling(self, max_tokens: int | None, logprobs: int | None) -> Sampling:
        """`max_tokens` None or -1: as many as there is room for. `logprobs` is how many
        alternatives to report with each token (None: nothing).
        """
        stop, stop_ids = self.stop or (), self.stop_token_ids
        return Sampling(
            max_tokens=None if max_tokens == NO_LIMIT else max_tokens,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            top_k=max(0, self.top_k or 0),
            stop=(stop,) if isinstance(stop, str) else tuple([each for each in stop if each]),
            seed=None if self.seed is None else self.seed & 0x7FFF_FFFF,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            logprobs=logprobs,
            ignore_eos=bool(self.ignore_eos),
            min_p=self.min_p or 0.0,
            repetition_penalty=self.repetition_penalty or 1.0,
            logit_bias=self._biases() if self.logit_bias else (),
            stop_token_ids=tuple(sorted(set(stop_ids))) if stop_ids else (),
        )

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def refuse_unsupported(self) -> None:
        """Raises UnsupportedParameter naming the first field that cannot be honoured."""
        if self.stream_options is not None and not self.stream:
            raise UnsupportedParameter("stream_options", "it goes with stream=true.")
        for name in self.model_fields_set & self.refused.keys():
            idle, why = self.refused[name]
            if getattr(self, name) not in idle:
                raise UnsupportedParameter(name, why)

    def _biases(self) -> tuple[tuple[int, float], ...]:
        biases = {int(token): bias for token, bias in (self.logit_bias or {}).items()}
        return tuple(sorted((token, bias) for token, bias in biases.items() if bias))


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
        "functions": ((None, []), _OLDER),
        "function_call": ((None, "none", "auto"), _OLDER),
        "modalities": ((None, [], ["text"]), "only text is."),
        "audio": ((None,), "only text is."),
        "web_search_options": ((None,), "models here do not search."),
        "echo": ((None, False), _PREFIX),
        "continue_final_message": ((None, False), _PREFIX),
        "add_generation_prompt": ((None, True), _PREFIX),
    }
    hints: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "reasoning_effort": (None, "none"),
        "verbosity": (None, "medium"),
        "service_tier": (None, "auto", "default"),
        "store": (None, False),
        "prediction": (None,),
        "chat_template_kwargs": (None, {}),
    }

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Maximum | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS), WHOLE] | None = None
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
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    echo: bool | None = None
    continue_final_message: bool | None = None
    add_generation_prompt: bool | None = None


class TemplatedChatRequest(ChatRequest):
    """A chat whose template gives messages."""

    messages: Annotated[list[ChatMessage], Field(max_length=MAX_MESSAGES)] = []


ChatRequest.templated = ("template", TemplatedChatRequest)
TokenIds = Annotated[list[TokenId], Field(min_length=1)]
Prompts = Annotated[list[str] | list[TokenIds], Field(min_length=1, max_length=MAX_PROMPTS)]


class CompletionRequest(_Generation):
    """Body of `POST /v1/completions`: raw prompts, continued. A prompt is text, or the ids of the
    model's own tokens.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"model": "nano", "prompt": "Good coffee is", "max_tokens": 32}
        }
    )

    refused: ClassVar[_Refusals] = {
        "suffix": ((None, ""), "filling in the middle is not implemented."),
    }

    prompt: str | TokenIds | Prompts
    logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS), WHOLE] | None = None
    echo: bool | None = False
    best_of: Annotated[int, Field(ge=1, le=MAX_CHOICES), WHOLE] | None = None
    suffix: str | None = None

    def prompts(self) -> list[str | tuple[int, ...]]:
        """Each prompt by itself. Raises InvalidRequest where they make over MAX_SEQUENCES."""
        given = self.prompt
        if isinstance(given, str):
            return [given]
        if isinstance(given[0], int):
            return [tuple(given)]
        count = len(given) * (self.n or 1)
        if count > MAX_SEQUENCES:
            raise InvalidRequest(
                f"prompt: {len(given)} prompts and n {self.n} make {count} choices; the most is "
                f"{MAX_SEQUENCES}.",
                param="prompt",
            )
        return [each if isinstance(each, str) else tuple(each) for each in given]

    def output_limit(self, default: int) -> int | None:
        """The most tokens to generate; none at all go with `echo` only. Raises InvalidRequest."""
        limit = default if self.max_tokens is None else self.max_tokens
        if limit == 0 and not self.echo:
            raise InvalidRequest(
                "max_tokens is 0; the least is 1 without echo.", param="max_tokens"
            )
        return limit

    def refuse_unsupported(self) -> None:
        super().refuse_unsupported()
        if self.best_of not in (None, 1, self.n or 1):
            raise UnsupportedParameter("best_of", "ask for n and choose.")


class TemplatedCompletionRequest(CompletionRequest):
    """A completion whose template gives the prompt."""

    prompt: str | TokenIds | Prompts = ""


CompletionRequest.templated = ("template", TemplatedCompletionRequest)
