"""Anthropic's message as a Completion, and what its parts mean. Pure.

In: the JSON of a message. Out: one choice and its usage. Tokens that were read from or written to
the provider's cache are tokens of the prompt here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from deployments.contracts.generation import (
    Choice,
    Completion,
    FinishReason,
    GenerateRequest,
    TokenUsage,
    ToolCall,
)
from deployments.providers.anthropic.request import (
    AnthropicOptions,
    output_limit,
    uses_format_tool,
)
from deployments.providers.errors import UpstreamError, reported_problem, unreadable
from deployments.providers.usage import checked_usage, estimated_usage

_FINISHES: Mapping[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def decode_message(request: GenerateRequest, body: bytes, options: AnthropicOptions) -> Completion:
    """Raises UpstreamFailed for what is no message, other Problems for a reported error."""
    message = read_object(body, options.model)
    if message.get("type") == "error" or "error" in message:
        raise reported_problem(options.model, read_error(message))
    content = message.get("content")
    if not isinstance(content, list):
        raise unreadable(options.model, "sent no message")
    blocks = [block for block in content if isinstance(block, dict)]
    text, reasoning = _texts(blocks, "text"), _texts(blocks, "thinking")
    calls = [_call(block, options.model) for block in blocks if block.get("type") == "tool_use"]
    size = sum([len(each.encode()) for each in (text, reasoning, *_written(calls))])
    if calls and uses_format_tool(request, options):
        text, calls = calls[0].arguments, []
    finish, stop = read_finish(message, has_calls=bool(calls))
    choice = Choice(
        0,
        text,
        finish,
        tool_calls=tuple(calls),
        stop=stop,
        refusal=read_refusal(message, finish),
        reasoning=reasoning,
    )
    usage = message_usage(request, message.get("usage"), options, size)
    return Completion((choice,), usage)


def message_usage(
    request: GenerateRequest, reported: Any, options: AnthropicOptions, size: int
) -> TokenUsage:
    """The usage of an answer of `size` bytes: the reported one if it can be true."""
    usage = read_usage(reported)
    if usage is None:
        return estimated_usage(request, size)
    return checked_usage(request, usage, output_limit(options, request.sampling.max_tokens), size)


def read_object(data: bytes, model: str) -> dict[str, Any]:
    """Raises UpstreamFailed."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise unreadable(model, "sent no JSON object")
    return value


def parse_json(data: bytes) -> Any:
    """None where it is no JSON. Memory stays within the size of the text, unlike with orjson."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def read_error(body: Mapping[str, Any]) -> UpstreamError:
    """The words of an error body, or of an error event."""
    error = body.get("error")
    if isinstance(error, str):
        return UpstreamError(message=error)
    if not isinstance(error, dict):
        return UpstreamError()
    return UpstreamError(kind=text_of(error, "type"), message=text_of(error, "message"))


def text_of(values: Mapping[str, Any], name: str) -> str:
    """A string of an object; empty where it is anything else."""
    value = values.get(name)
    return value if isinstance(value, str) else ""


def read_finish(values: Mapping[str, Any], *, has_calls: bool) -> tuple[FinishReason, str]:
    """The finish reason and the stop string that was met, of a message or its last delta. Reasons
    that are not known mean what the answer is."""
    finish = _FINISHES.get(text_of(values, "stop_reason"), "stop")
    if finish in ("stop", "tool_calls"):
        finish = "tool_calls" if has_calls else "stop"
    return finish, text_of(values, "stop_sequence") if finish == "stop" else ""


def read_refusal(values: Mapping[str, Any], finish: FinishReason) -> str:
    """Why the provider's policy ended the answer, where it says so."""
    details = values.get("stop_details")
    if finish != "content_filter" or not isinstance(details, dict):
        return ""
    return text_of(details, "explanation")


def read_usage(usage: Any) -> TokenUsage | None:
    """What is reported; None where a count is missing or is none."""
    if not isinstance(usage, dict):
        return None
    fresh, output = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    if fresh is None or output is None:
        return None
    read = _count(usage.get("cache_read_input_tokens")) or 0
    written = _count(usage.get("cache_creation_input_tokens")) or 0
    details = usage.get("output_tokens_details")
    thought = _count(details.get("thinking_tokens")) if isinstance(details, dict) else None
    return TokenUsage(fresh + read + written, output, read, thought or 0)


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_count else None


def _texts(blocks: Sequence[Mapping[str, Any]], kind: str) -> str:
    """The text of all blocks of a kind; its field has the kind's name."""
    return "".join([text_of(block, kind) for block in blocks if block.get("type") == kind])


def _written(calls: Sequence[ToolCall]) -> list[str]:
    return [text for call in calls for text in (call.name, call.arguments)]


def _call(block: Mapping[str, Any], model: str) -> ToolCall:
    name, values = text_of(block, "name"), block.get("input")
    if not name:
        raise unreadable(model, "called a tool without a name")
    if isinstance(values, str):  # not as documented, but as some compatible servers send it
        return ToolCall(text_of(block, "id"), name, values)
    arguments = msgspec.json.encode({} if values is None else values).decode()
    return ToolCall(text_of(block, "id"), name, arguments)
