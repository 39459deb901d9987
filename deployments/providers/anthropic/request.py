"""A request as the body of Anthropic's `POST /v1/messages`. Pure.

In: a GenerateRequest and the model's options. Out: the JSON of a message request. Fields that the
API does not have are refused by name, never dropped.

The API wants turns of user and assistant by turns, each a list of blocks; the system's text stands
beside them; results of tools are blocks of the user's turn.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import GenerateRequest, Message, OutputFormat, ToolSettings

FORMAT_TOOL = "structured_output"  # the tool whose arguments are the text of the answer
_ID = re.compile(r"[^a-zA-Z0-9_-]")
_MODES = {"none": "none", "auto": "auto", "required": "any"}
_FORMAT_TEXT = "Give the answer, all of it, by calling this tool."

FormatWay = Literal["native", "tool"]


@dataclass(frozen=True, slots=True)
class AnthropicOptions:
    """`model` is the id in Mobula; `max_output_tokens` is sent where the request has no limit, which
    the API demands. `tools`: whether the model calls tools. `formats` is how JSON is made of a
    schema: by `output_config` of the API, by a tool that has to be called (as every `json_object`
    is), or not at all.
    """

    model: str
    max_output_tokens: int = 4096
    tools: bool = True
    formats: FormatWay | None = "tool"


def encode_message(
    request: GenerateRequest, source: str, options: AnthropicOptions, *, stream: bool
) -> bytes:
    """The body. Raises UnsupportedParameter and InvalidRequest, naming a field of the chat."""
    _refuse_unknown(request)
    sampling = request.sampling
    most = sampling.max_tokens
    limit = options.max_output_tokens
    body: dict[str, Any] = {
        "model": source,
        "max_tokens": limit if most is None else min(most, limit),
        "messages": _turns(request.messages),
    }
    if system := [each.content for each in request.messages if each.role == "system"]:
        if text := "\n\n".join(part for part in system if part):
            body["system"] = text
    if sampling.temperature != 1:
        body["temperature"] = sampling.temperature
    if sampling.top_p != 1:
        body["top_p"] = sampling.top_p
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.stop:
        body["stop_sequences"] = list(sampling.stop)
    if request.tool_settings is not None:
        body |= _tools(request.tool_settings, options)
    if request.output_format is not None:
        body |= _format(request.output_format, request.tool_settings, options)
    if stream:
        body["stream"] = True
    return orjson.dumps(body)


def uses_format_tool(request: GenerateRequest, options: AnthropicOptions) -> bool:
    """Whether the text of the answer comes as the arguments of FORMAT_TOOL."""
    output = request.output_format
    return output is not None and (output.kind == "json_object" or options.formats == "tool")


def _refuse_unknown(request: GenerateRequest) -> None:
    sampling = request.sampling
    unknown = {
        "prompt": request.prompt is not None or bool(request.prompt_ids),
        "echo": request.echo,
        "n": request.n != 1,
        "logprobs": sampling.logprobs is not None,
        "seed": sampling.seed is not None,
        "presence_penalty": sampling.presence_penalty != 0,
        "frequency_penalty": sampling.frequency_penalty != 0,
        "repetition_penalty": sampling.repetition_penalty != 1,
        "min_p": sampling.min_p != 0,
        "logit_bias": bool(sampling.logit_bias),
        "ignore_eos": sampling.ignore_eos,
        "stop_token_ids": bool(sampling.stop_token_ids),
    }
    for param, is_set in unknown.items():
        if is_set:
            raise UnsupportedParameter(param, "the provider of this model has no such field.")
    if sampling.temperature > 1:
        raise UnsupportedParameter("temperature", "the provider of this model takes 0 to 1.")
    if sampling.max_tokens == 0:
        raise UnsupportedParameter("max_tokens", "the provider of this model takes 1 and more.")


def _turns(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message, index))
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


def _tools(settings: ToolSettings, options: AnthropicOptions) -> dict[str, Any]:
    if not settings.tools:
        return {}
    if not options.tools:
        raise UnsupportedParameter("tools", "this model calls none.")
    tools: list[dict[str, Any]] = []
    for tool in settings.tools:
        each = {"name": tool.name, "input_schema": _schema(tool.parameters)}
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
    return {"tools": tools, "tool_choice": choice}


def _schema(text: str) -> dict[str, Any]:
    """The API wants a schema of an object, also where there are no arguments."""
    schema = orjson.loads(text)
    if not isinstance(schema, dict):
        return {"type": "object"}
    return {"type": "object", **schema}


def _format(
    output: OutputFormat, settings: ToolSettings | None, options: AnthropicOptions
) -> dict[str, Any]:
    if output.kind not in ("json_object", "json_schema") or options.formats is None:
        why = f"this model cannot be held to a format of type {output.kind}."
        raise UnsupportedParameter(output.param, why)
    schema = orjson.loads(output.definition) if output.kind == "json_schema" else {}
    if not isinstance(schema, dict):  # true and false are schemas too
        raise UnsupportedParameter(output.param, "the provider of this model takes objects only.")
    if output.kind == "json_schema" and options.formats == "native":
        return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    if settings is not None and settings.tools:
        why = "with this model it is made by a tool, which goes with no others."
        raise UnsupportedParameter(output.param, why)
    if schema.get("type", "object") != "object":
        why = "with this model a schema has to be of an object."
        raise UnsupportedParameter(output.param, why)
    tool = {"name": FORMAT_TOOL, "description": _FORMAT_TEXT}
    return {
        "tools": [{**tool, "input_schema": {"type": "object", **schema}}],
        "tool_choice": {"type": "tool", "name": FORMAT_TOOL, "disable_parallel_tool_use": True},
    }
