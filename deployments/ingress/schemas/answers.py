"""The shapes of answers, for the API's documentation and for the tests that hold routes to it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Response(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PromptTokensDetails(_Response):
    """`cached_tokens`: of the prompt, those that the engine did not compute again."""

    cached_tokens: int = 0


class CompletionTokensDetails(_Response):
    """`reasoning_tokens`: of the completion, those that were spent on reasoning."""

    reasoning_tokens: int = 0


class TokenUsage(_Response):
    """Tokens as the model's own tokenizer counts them, unless they are `estimated`: the provider
    did not report them.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails | None = None
    estimated: Literal[True] | None = None


class AnsweredFunction(_Response):
    name: str
    arguments: str


class AnsweredToolCall(_Response):
    """A call that the model asks for; the arguments are the text of a JSON object."""

    id: str
    type: Literal["function"]
    function: AnsweredFunction


class AssistantMessage(_Response):
    """`content` is null where there are tool calls or a refusal only. `reasoning_content` is what
    the model of a provider wrote before its answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[AnsweredToolCall] | None = None


class ChatChoice(_Response):
    index: int
    message: AssistantMessage
    logprobs: dict[str, Any] | None
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]


class ChatCompletion(_Response):
    """Answer of `POST /v1/chat/completions`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: TokenUsage


class TextChoice(_Response):
    index: int
    text: str
    logprobs: dict[str, Any] | None
    finish_reason: Literal["stop", "length", "content_filter"]


class TextCompletion(_Response):
    """Answer of `POST /v1/completions`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: TokenUsage


class Model(_Response):
    """One served model, or another name by which models answer. Members after `owned_by` are
    Mobula's own. `aliases` are the other names of a model, `root` the model that such a name stands
    for, `targets` those between which it chooses.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    engine: str | None = None
    source: str | None = None
    revision: str | None = None
    context_length: int | None = None
    parameters: int | None = None
    description: str | None = None
    input_modalities: list[Literal["text", "image"]] | None = None
    aliases: list[str] | None = None
    root: str | None = None
    targets: list[str] | None = None
    ready: bool = True


class ModelList(_Response):
    object: Literal["list"] = "list"
    data: list[Model]


class OpenAIError(_Response):
    message: str
    type: str
    param: str | None
    code: str | None
    request_id: str | None = None


class OpenAIErrorBody(_Response):
    """Every refusal under `/v1`."""

    error: OpenAIError


class ProblemBody(BaseModel):
    """Every refusal elsewhere: RFC 9457, with members of the problem's own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None


class Health(_Response):
    """`ok` when every model answers, `degraded` when one does not. The rest needs a key.
    `dependencies` is the worst state of what this replica depends on, of which
    `/api/v1/health/dependencies` tells the operator more."""

    status: Literal["ok", "degraded"]
    dependencies: Literal["up", "degraded", "down"] | None = None
    version: str | None = None
    models: dict[str, dict[str, Any]] | None = None
    replica: dict[str, Any] | None = None


class Liveness(_Response):
    status: Literal["ok"]


class Readiness(_Response):
    """`models` needs a key."""

    status: Literal["ready"]
    models: list[str] | None = None


class Version(_Response):
    """Versions need a key."""

    name: Literal["mobula"]
    version: str | None = None
    python: str | None = None
    ray: str | None = None
