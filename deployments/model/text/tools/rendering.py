"""Chats with tools, calls and results as the messages that chat templates take.

In: messages and tools. Out: mappings for a template that knows tools, or plain turns of system,
user and assistant with Mobula's own words for one that does not. `clean` removes from a caller's
text what must not be there.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

from deployments.contracts.generation import Message, Tool, ToolSettings
from deployments.model.text.tools.formats import ToolFormat
from deployments.model.text.tools.json_scanner import JsonScanner, skip_blanks

TemplateMessage = dict[str, Any]
Clean = Callable[[str], str]

_SHORT_ID = 9


def template_tools(settings: ToolSettings, clean: Clean) -> list[dict[str, Any]]:
    """The tools as chat templates expect them: OpenAI's shape, parameters parsed."""
    return [{"type": "function", "function": _function(tool, clean)} for tool in settings.tools]


def template_messages(
    messages: Sequence[Message], format: ToolFormat, clean: Clean
) -> list[TemplateMessage]:
    """For a template that knows tools: `tool_calls` with parsed arguments, results as `tool`."""
    if format.one_each:
        messages = list(_one_call_each(messages))
    names = _names_of_calls(messages)
    make_id = _short_id if format.short_ids else clean
    rendered: list[TemplateMessage] = []
    for message in messages:
        entry: TemplateMessage = {"role": message.role, "content": clean(message.content)}
        if message.tool_calls:
            entry["tool_calls"] = [
                {
                    "id": make_id(call.id),
                    "type": "function",
                    "function": {
                        "name": clean(call.name),
                        "arguments": _parsed_arguments(call.arguments, clean),
                    },
                }
                for call in message.tool_calls
            ]
        if message.role == "tool":
            entry["tool_call_id"] = make_id(message.tool_call_id)
            entry["name"] = clean(message.name or names.get(message.tool_call_id, ""))
        rendered.append(entry)
    return rendered


def plain_messages(
    messages: Sequence[Message], settings: ToolSettings | None, format: ToolFormat, clean: Clean
) -> list[TemplateMessage]:
    """For a template that knows no tools: they are in a system message, calls are written as
    `format` writes them, and results are the user's.
    """
    names = _names_of_calls(messages)
    rendered: list[TemplateMessage] = []
    if settings is not None:
        rendered.append({"role": "system", "content": tools_text(settings, format, clean)})
    previous = ""
    for message in messages:
        role, content = message.role, clean(message.content)
        if message.tool_calls:
            calls = [(clean(call.name), clean(call.arguments)) for call in message.tool_calls]
            content = "\n".join(filter(None, (content, format.written(calls))))
        if role == "tool":
            name = clean(message.name or names.get(message.tool_call_id, ""))
            content = f"Result of {name}: {content}"
        last = rendered[-1] if rendered else {"role": ""}
        shown = "user" if role == "tool" else role
        if shown == last["role"] and (role == "system" or "tool" in (role, previous)):
            last["content"] += f"\n{content}"
        else:
            rendered.append({"role": shown, "content": content})
        previous = role
    return rendered


def without_system(messages: Sequence[TemplateMessage]) -> list[TemplateMessage]:
    """The same for templates that refuse system messages: its text begins the user's first turn."""
    system = [message["content"] for message in messages if message["role"] == "system"]
    rest = [dict(message) for message in messages if message["role"] != "system"]
    if rest and rest[0]["role"] == "user":
        rest[0]["content"] = "\n".join([*system, rest[0]["content"]])
        return rest
    return [{"role": "user", "content": "\n".join(system)}, *rest]


def tools_text(settings: ToolSettings, format: ToolFormat, clean: Clean) -> str:
    """What a model is told of the tools where its template has no words for them. Of a tool that it
    has to call, it is told of no other.
    """
    shown = [tool for tool in settings.tools if settings.name in ("", tool.name)]
    tools = [_compact(_function(tool, clean)) for tool in shown]
    call = format.written([("NAME", "{...}")])
    return "\n".join(["Functions:", *tools, f"To call one, answer only: {call}"])


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _function(tool: Tool, clean: Clean) -> dict[str, Any]:
    parameters = _cleaned(json.loads(tool.parameters), clean)
    function = {"name": clean(tool.name), "description": clean(tool.description)}
    empty = {"type": "object", "properties": {}}
    return {**function, "parameters": parameters or empty}


def _cleaned(value: Any, clean: Clean) -> Any:
    """`value` with all of its strings cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(item, clean) for item in value]
    if isinstance(value, dict):
        return {clean(key): _cleaned(item, clean) for key, item in value.items()}
    return value


def _parsed_arguments(text: str, clean: Clean) -> Any:
    """An object; the text itself where it is none, such as the arguments of a call that was cut."""
    scanner = JsonScanner()
    end = skip_blanks(text, scanner.scan(text, 0))
    if not scanner.done or end < len(text):  # also where it is too deep for the parser
        return clean(text)
    try:
        value = json.loads(text)
    except ValueError:  # a number of too many digits
        return clean(text)
    return _cleaned(value, clean) if isinstance(value, dict) else clean(text)


def _names_of_calls(messages: Sequence[Message]) -> dict[str, str]:
    return {call.id: call.name for message in messages for call in message.tool_calls}


def _one_call_each(messages: Sequence[Message]) -> Iterator[Message]:
    """Messages with several calls as several messages, each with its result behind it."""
    position = 0
    while position < len(messages):
        message = messages[position]
        position += 1
        if len(message.tool_calls) < 2:
            yield message
            continue
        results: dict[str, list[Message]] = {}
        while position < len(messages) and messages[position].role == "tool":
            results.setdefault(messages[position].tool_call_id, []).append(messages[position])
            position += 1
        for index, call in enumerate(message.tool_calls):
            yield Message("assistant", message.content if index == 0 else "", (call,))
            yield from results.pop(call.id, ())
        for rest in results.values():
            yield from rest


def _short_id(id: str) -> str:
    """Nine letters or digits, always the same for the same id."""
    if len(id) == _SHORT_ID and id.isalnum() and id.isascii():
        return id
    return blake2b(id.encode(), digest_size=8).hexdigest()[:_SHORT_ID]
