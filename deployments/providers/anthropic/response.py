"""Anthropic's message as a Completion, and what its parts mean. Pure.

In: the JSON of a message. Out: one choice and its usage. Tokens that were read from or written to
the provider's cache are tokens of the prompt here.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from deployments.contracts.generation import (
    Choice,
    Completion,
    FinishReason,
    GenerateRequest,
    TokenUsage,
    ToolCall,
)
from deployments.providers.anthropic.request import AnthropicOptions, uses_format_tool
from deployments.providers.errors import UpstreamError, reported_problem, unreadable
from deployments.providers.tokens import believable, estimate_prompt, estimate_text

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
    blocks = message.get("content")
    if not isinstance(blocks, list):
        raise unreadable(options.model, "sent no message")
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for block in blocks:
        if not isinstance(block, dict):
            continue
        kind = block.get("type")
        if kind == "text":
            texts.append(text_of(block, "text"))
        elif kind == "thinking":
            thoughts.append(text_of(block, "thinking"))
        elif kind == "tool_use":
            calls.append(_call(block, options.model))
    if calls and uses_format_tool(request, options):
        texts, calls = [calls[0].arguments], []
    finish, stop = read_finish(message, has_calls=bool(calls))
    text, reasoning = "".join(texts), "".join(thoughts)
    choice = Choice(
        0, text, finish, tool_calls=tuple(calls), stop=stop, refusal=read_refusal(message, finish),
        reasoning=reasoning,
    )  # fmt: skip
    usage = read_usage(message.get("usage"))
    if usage is None:
        written = [text, reasoning, *(call.arguments for call in calls)]
        tokens = sum(map(estimate_text, written))
        usage = TokenUsage(estimate_prompt(request), tokens, is_estimated=True)
    return Completion((choice,), usage)


def read_object(data: bytes, model: str) -> dict[str, Any]:
    """Raises UpstreamFailed."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise unreadable(model, "sent no JSON") from None
    if not isinstance(value, dict):
        raise unreadable(model, "sent no JSON object")
    return value


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
    """None where a count is missing or cannot be."""
    if not isinstance(usage, dict):
        return None
    fresh, output = believable(usage.get("input_tokens")), believable(usage.get("output_tokens"))
    if fresh is None or output is None:
        return None
    read = believable(usage.get("cache_read_input_tokens")) or 0
    written = believable(usage.get("cache_creation_input_tokens")) or 0
    details = usage.get("output_tokens_details")
    thought = believable(details.get("thinking_tokens")) if isinstance(details, dict) else None
    return TokenUsage(fresh + read + written, output, read, min(thought or 0, output))


def _call(block: Mapping[str, Any], model: str) -> ToolCall:
    name, values = text_of(block, "name"), block.get("input")
    if not name:
        raise unreadable(model, "called a tool without a name")
    if isinstance(values, str):  # not as documented, but as some compatible servers send it
        return ToolCall(text_of(block, "id"), name, values)
    arguments = orjson.dumps({} if values is None else values).decode()
    return ToolCall(text_of(block, "id"), name, arguments)
