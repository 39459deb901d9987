"""The shapes of answers of the Responses API and of the Messages API, for the documentation and for
the tests that hold routes to them.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


ItemStatus = Literal["in_progress", "completed", "incomplete"]


class FileCitationAnnotation(_Answer):
    """The sentence that ends at code point `index` says what this file says."""

    type: Literal["file_citation"]
    index: int
    file_id: str
    filename: str


class OutputText(_Answer):
    type: Literal["output_text"]
    text: str
    annotations: list[FileCitationAnnotation]
    logprobs: list[dict[str, Any]]


class OutputMessage(_Answer):
    """What the model has written."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: ItemStatus
    content: list[OutputText]


class OutputFunctionCall(_Answer):
    """A call that the model asks for; `arguments` is the text of a JSON object."""

    id: str
    type: Literal["function_call"]
    status: ItemStatus
    call_id: str
    name: str
    arguments: str


class FileSearchResult(_Answer):
    """A part of a file that was found; `score` is from 0 to 1."""

    attributes: dict[str, str | float | bool]
    file_id: str
    filename: str
    score: float
    text: str


class OutputFileSearchCall(_Answer):
    """The search that was made for the response. `results` are named in `include`."""

    id: str
    type: Literal["file_search_call"]
    status: ItemStatus
    queries: list[str]
    results: list[FileSearchResult] | None


class ResponseError(_Answer):
    code: str
    message: str


class IncompleteDetails(_Answer):
    reason: Literal["max_output_tokens", "content_filter"]


class InputTokensDetails(_Answer):
    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(_Answer):
    reasoning_tokens: int


class ResponseUsage(_Answer):
    """Tokens as the model's own tokenizer counts them, unless they are `estimated`."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int
    estimated: Literal[True] | None = None


OutputItem = Annotated[
    OutputMessage | OutputFunctionCall | OutputFileSearchCall, Field(discriminator="type")
]


class ResponseObject(_Answer):
    """Answer of `POST /v1/responses`: what was asked for, and `output`. `store` is whether it can
    be retrieved and continued.
    """

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["completed", "incomplete", "failed", "in_progress"]
    background: Literal[False]
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: dict[str, str]
    model: str
    output: list[OutputItem]
    parallel_tool_calls: bool
    previous_response_id: str | None
    prompt: dict[str, Any] | None = None
    reasoning: dict[str, Any]
    service_tier: str
    store: bool
    temperature: float
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float
    truncation: Literal["auto", "disabled"]
    usage: ResponseUsage | None
    user: str | None


class ResponseItemList(_Answer):
    """The input of a response, a page of it."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedResponse(_Answer):
    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class MessageUsage(_Answer):
    """Tokens as the model's own tokenizer counts them, unless they are `estimated`; cached ones
    are no `input_tokens`.
    """

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    estimated: Literal[True] | None = None


class AnsweredText(_Answer):
    type: Literal["text"]
    text: str


class AnsweredToolUse(_Answer):
    """A call that the model asks for. Arguments that were cut off are the text `INVALID_JSON`."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


AnsweredBlock = Annotated[AnsweredText | AnsweredToolUse, Field(discriminator="type")]


class MessageObject(_Answer):
    """Answer of `POST /v1/messages`."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[AnsweredBlock]
    stop_reason: Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]
    stop_sequence: str | None
    usage: MessageUsage


class MessageTokenCount(_Answer):
    """Answer of `POST /v1/messages/count_tokens`. `estimated`: the tokenizer of a provider's model
    is not known."""

    input_tokens: int
    estimated: Literal[True] | None = None


class AnthropicError(_Answer):
    type: str
    message: str


class AnthropicErrorBody(_Answer):
    """Every refusal under `/v1/messages`."""

    type: Literal["error"]
    error: AnthropicError
    request_id: str | None
