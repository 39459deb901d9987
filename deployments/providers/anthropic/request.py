"""A request as the body of Anthropic's `POST /v1/messages`. Pure.

In: a GenerateRequest and the model's options. Out: the JSON of a message request.

The API wants turns of user and assistant by turns, each a list of blocks; the system's text stands
beside them; results of tools are blocks of the user's turn.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import (
    GenerateRequest,
    Message,
    OutputFormat,
    Sampling,
    ToolSettings,
)
from deployments.providers.image_pieces import Piece, pieces_of

FORMAT_TOOL = "structured_output"  # the tool whose arguments are the text of the answer
_ID = re.compile(r"[^a-zA-Z0-9_-]")
_MODES = {"none": "none", "auto": "auto", "required": "any"}
_FORMAT_TEXT = "Give the answer, all of it, by calling this tool."

FormatWay = Literal["native", "tool"]


@dataclass(frozen=True, slots=True)
class AnthropicOptions:
    """`model` is the id in Mobula. `max_output_tokens` is sent where the request has no limit, as
    the API demands one; more is clamped, or refused with `refuses_more`. `formats` is how JSON is
    made of a schema: by `output_config` of the API, or by a tool that has to be called (as every
    `json_object` is).
    """

    model: str
    max_output_tokens: int = 4096
    refuses_more: bool = False
    formats: FormatWay = "tool"


def encode_message(
    request: GenerateRequest, source: str, options: AnthropicOptions, *, stream: bool
) -> bytes:
    """The body. Raises UnsupportedParameter and InvalidRequest, naming a field of the chat."""
    body: dict[str, Any] = {
        "model": source,
        "max_tokens": output_limit(options, request.sampling.max_tokens),
        "messages": _turns(request),
    }
    if system := _system(request.messages):
        body["system"] = system
    _add_sampling(body, request.sampling)
    if request.tool_settings is not None:
        _add_tools(body, request.tool_settings)
    if request.output_format is not None:
        _add_format(body, request.output_format, options)
    if stream:
        body["stream"] = True
    return orjson.dumps(body)


def output_limit(options: AnthropicOptions, wanted: int | None) -> int:
    """The most tokens of the answer. Raises InvalidRequest."""
    limit = options.max_output_tokens
    if wanted is None:
        return limit
    if wanted < 1 or (wanted > limit and options.refuses_more):
        raise InvalidRequest(
            f"max_tokens is {wanted}; model '{options.model}' gives 1 to {limit}.",
            param="max_tokens",
            limit=limit,
        )
    return min(wanted, limit)


def uses_format_tool(request: GenerateRequest, options: AnthropicOptions) -> bool:
    """Whether the text of the answer comes as the arguments of FORMAT_TOOL."""
    output = request.output_format
    return output is not None and (output.kind == "json_object" or options.formats == "tool")


def _system(messages: Sequence[Message]) -> str:
    texts = [message.content for message in messages if message.role == "system"]
    return "\n\n".join([text for text in texts if text])


def _add_sampling(body: dict[str, Any], sampling: Sampling) -> None:
    if sampling.temperature > 1:
        why = "the provider of this model takes 0 to 1."
        raise UnsupportedParameter("temperature", why)
    for name, value, usual in (
        ("temperature", sampling.temperature, 1.0),
        ("top_p", sampling.top_p, 1.0),
        ("top_k", sampling.top_k, 0),
    ):
        if value != usual:
            body[name] = value
    if sampling.stop:
        body["stop_sequences"] = list(sampling.stop)


def _turns(request: GenerateRequest) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    pictured = dict(pieces_of(request)) if request.images else {}
    for index, message in enumerate(request.messages):
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        pieces = pictured.get(index)
        blocks = list(_blocks(message, index) if pieces is None else map(_piece, pieces))
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if not turns:
        raise InvalidRequest(
            "messages: the provider of this model needs a message of the user.", param="messages"
        )
    return turns


def _blocks(message: Message, index: int) -> Iterator[dict[str, Any]]:
    """Empty texts are no blocks: the API refuses them."""
    if message.role == "tool":
        result = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id)}
        yield {**result, "content": message.content}
        return
    if message.content:
        yield {"type": "text", "text": message.content}
    for at, call in enumerate(message.tool_calls):
        param = f"messages.{index}.tool_calls.{at}.function.arguments"
        values = _arguments(call.arguments, param)
        yield {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": values}


def _piece(piece: Piece) -> dict[str, Any]:
    if isinstance(piece, str):
        return {"type": "text", "text": piece}
    data = b64encode(piece.jpeg).decode("ascii")
    source = {"type": "base64", "media_type": "image/jpeg", "data": data}
    return {"type": "image", "source": source}


def _arguments(text: str, param: str) -> dict[str, Any]:
    try:
        values = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        values = None
    if not isinstance(values, dict):
        raise InvalidRequest(f"{param}: must be the text of a JSON object.", param=param)
    return values


def _id(text: str) -> str:
    """The API takes only these characters; a call and its result are changed alike."""
    return _ID.sub("_", text)


def _add_tools(body: dict[str, Any], settings: ToolSettings) -> None:
    if not settings.tools:
        return
    tools: list[dict[str, Any]] = []
    for tool in settings.tools:
        each: dict[str, Any] = {"name": tool.name, "input_schema": _schema(tool.parameters)}
        if tool.description:
            each["description"] = tool.description
        if tool.strict:
            each["strict"] = True
        tools.append(each)
    choice: dict[str, Any] = {"type": _MODES[settings.mode]}
    if settings.name:
        choice = {"type": "tool", "name": settings.name}
    if not settings.parallel and settings.mode != "none":
        choice["disable_parallel_tool_use"] = True
    body |= {"tools": tools, "tool_choice": choice}


def _schema(text: str) -> dict[str, Any]:
    """The API wants a schema of an object, also where there are no arguments."""
    schema = orjson.loads(text)
    return {"type": "object", **schema} if isinstance(schema, dict) else {"type": "object"}


def _add_format(body: dict[str, Any], output: OutputFormat, options: AnthropicOptions) -> None:
    schema = orjson.loads(output.definition) if output.kind == "json_schema" else {}
    if not isinstance(schema, dict):  # true and false are schemas too
        raise UnsupportedParameter(output.param, "the provider of this model takes objects only.")
    if output.kind == "json_schema" and options.formats == "native":
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return
    if "tools" in body:
        why = "with this model it is made by a tool, which goes with no others."
        raise UnsupportedParameter(output.param, why)
    if schema.get("type", "object") != "object":
        why = "with this model a schema has to be of an object."
        raise UnsupportedParameter(output.param, why)
    tool = {"name": FORMAT_TOOL, "description": _FORMAT_TEXT}
    choice = {"type": "tool", "name": FORMAT_TOOL, "disable_parallel_tool_use": True}
    body["tools"] = [{**tool, "input_schema": {"type": "object", **schema}}]
    body["tool_choice"] = choice
