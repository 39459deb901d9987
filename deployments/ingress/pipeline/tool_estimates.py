"""The most prompt tokens that tools, calls and results of a request may take.

In: a request. Out: a bound for the chat templates of deployments/model/text/tools/formats.py: they
write JSON indented by four at most, and a token of a byte-level tokenizer stands for a byte or
more.
"""

import json
from contextlib import suppress
from typing import Any

from deployments.contracts.generation import GenerateRequest, Message, Tool, ToolCall

_PREAMBLE = 1_024  # what a template says about tools in general
_EACH = 64  # what it adds to a tool, a call, a result
_INDENT = 4
_NO_PARAMETERS = {"type": "object", "properties": {}}


def most_tool_tokens(request: GenerateRequest) -> int:
    """Besides the contents of messages; for requests that use tools."""
    tools = () if request.tool_settings is None else request.tool_settings.tools
    calls = [call for message in request.messages for call in message.tool_calls]
    results = [message for message in request.messages if message.role == "tool"]
    written = [*map(_tool, tools), *map(_call, calls), *map(_result, results)]
    return _PREAMBLE + sum(written) + _EACH * len(written)


def _tool(tool: Tool) -> int:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": json.loads(tool.parameters) or _NO_PARAMETERS,
    }
    return _size([{"type": "function", "function": function}], indent=_INDENT)


def _call(call: ToolCall) -> int:
    """Templates write parsed arguments, or the text where it is no JSON."""
    sizes = [_size(call.arguments)]
    with suppress(ValueError, RecursionError):
        sizes.append(_size(json.loads(call.arguments)))
    return max(sizes) + _size([call.id, call.name])


def _result(message: Message) -> int:
    """The result's name and id, and what quoting its content adds."""
    content = _size(message.content) - len(message.content.encode())
    return content + _size([message.tool_call_id, message.name])


def _size(value: Any, indent: int | None = None) -> int:
    return len(json.dumps(value, ensure_ascii=False, indent=indent).encode())
