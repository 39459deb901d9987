"""Requests in OpenAI's wire format: `/chat/completions`, and `/completions` for raw prompts.

In: a GenerateRequest. Out: path and body. A field is sent only where it differs from the format's
default, so that a server that does not know it is not troubled.
"""

from base64 import b64encode
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import orjson

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.generation import (
    GenerateRequest,
    Message,
    OutputFormat,
    Sampling,
    Tool,
    ToolSettings,
)
from deployments.contracts.images import DecodedImage
from deployments.providers.image_pieces import pieces_of
from deployments.providers.openai.strict_schema import is_strict
from deployments.providers.wire import WireRequest

_GUIDED = {
    "guided": {"regex": "guided_regex", "choice": "guided_choice", "grammar": "guided_grammar"},
    "sglang": {"regex": "regex", "grammar": "ebnf"},
}
# Fields that are sent as they are, and those that are not.
_FIELDS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "ignore_eos",
)
_read_sampling = attrgetter(*_FIELDS, "stop", "stop_token_ids", "logit_bias")
_USUAL = _read_sampling(Sampling())


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """`max_tokens_field` is the field of the most tokens, `max_output_tokens` what it may be at
    most: more is clamped, or refused with `refuses_more`. `stream_usage`: usage in streams has to
    be asked for. `guided` names the fields of regular expressions, choices and grammars.
    """

    model: str
    max_tokens_field: str = "max_tokens"
    max_output_tokens: int = 4096
    refuses_more: bool = False
    stream_usage: bool = True
    guided: str = "structured_outputs"


def encode_request(
    options: OpenAIOptions, request: GenerateRequest, source: str, *, stream: bool
) -> WireRequest:
    """Raises InvalidRequest for more output tokens than the model may give, where it refuses."""
    body: dict[str, Any] = {"model": source}
    limit = output_limit(options, request.sampling.max_tokens)
    if request.messages:
        path = "/chat/completions"
        body["messages"] = [_message(message) for message in request.messages]
        if request.images:
            _add_images(body["messages"], request)
        body[options.max_tokens_field] = limit
        _add_logprobs(body, request.sampling)
    else:
        path = "/completions"
        body["max_tokens"] = limit
        _add_prompt(body, request)
    _add_sampling(body, request.sampling)
    if request.n > 1:
        body["n"] = request.n
    if request.tool_settings is not None:
        _add_tools(body, request.tool_settings)
    if request.output_format is not None:
        _add_format(body, options, request.output_format)
    if stream:
        body["stream"] = True
        if options.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return WireRequest(path, orjson.dumps(body))


def output_limit(options: OpenAIOptions, wanted: int | None) -> int:
    """The most tokens of one choice."""
    limit = options.max_output_tokens
    if wanted is None:
        return limit
    if wanted > limit and options.refuses_more:
        raise InvalidRequest(
            f"max_tokens is {wanted}; model '{options.model}' gives at most {limit}.",
            param="max_tokens",
            limit=limit,
        )
    return min(wanted, limit)


def _message(message: Message) -> dict[str, Any]:
    encoded: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        encoded["content"] = message.content or None
        encoded["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        encoded["tool_call_id"] = message.tool_call_id
    if message.name and message.role != "tool":
        encoded["name"] = message.name
    return encoded


def _add_images(encoded: list[dict[str, Any]], request: GenerateRequest) -> None:
    """Pictures between the pieces of text of the messages that have some."""
    for at, pieces in pieces_of(request):
        encoded[at]["content"] = [
            {"type": "text", "text": piece}
            if isinstance(piece, str)
            else {"type": "image_url", "image_url": {"url": _data_url(piece)}}
            for piece in pieces
        ]


def _data_url(image: DecodedImage) -> str:
    return "data:image/jpeg;base64," + b64encode(image.jpeg).decode("ascii")


def _add_prompt(body: dict[str, Any], request: GenerateRequest) -> None:
    body["prompt"] = list(request.prompt_ids) or request.prompt
    if request.sampling.logprobs is not None:
        body["logprobs"] = request.sampling.logprobs
    if request.echo:
        body["echo"] = True


def _add_logprobs(body: dict[str, Any], sampling: Sampling) -> None:
    if sampling.logprobs is not None:
        body["logprobs"] = True
        if sampling.logprobs:
            body["top_logprobs"] = sampling.logprobs


def _add_sampling(body: dict[str, Any], sampling: Sampling) -> None:
    values = _read_sampling(sampling)
    if values == _USUAL:  # nearly always
        return
    for name, value, usual in zip(_FIELDS, values, _USUAL, strict=False):
        if value != usual:
            body[name] = value
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.stop_token_ids:
        body["stop_token_ids"] = list(sampling.stop_token_ids)
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}


def _add_tools(body: dict[str, Any], settings: ToolSettings) -> None:
    body["tools"] = [{"type": "function", "function": _function(tool)} for tool in settings.tools]
    if settings.name:
        body["tool_choice"] = {"type": "function", "function": {"name": settings.name}}
    elif settings.mode != "auto":
        body["tool_choice"] = settings.mode
    if not settings.parallel:
        body["parallel_tool_calls"] = False


def _function(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": orjson.loads(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    if tool.strict:
        function["strict"] = True
    return function


def _add_format(body: dict[str, Any], options: OpenAIOptions, output: OutputFormat) -> None:
    kind, definition = output.kind, output.definition
    if kind == "json_object":
        body["response_format"] = {"type": "json_object"}
        return
    if kind == "json_schema":
        schema = orjson.loads(definition)
        named = {"name": "response", "schema": schema, "strict": is_strict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
        return
    value = orjson.loads(definition) if kind == "choice" else definition
    if options.guided == "structured_outputs":
        body["structured_outputs"] = {kind: value}
        return
    fields = _GUIDED[options.guided]
    if kind not in fields:
        raise InvalidRequest(f"{output.param}: this model's provider has no {kind}.")
    body[fields[kind]] = value
