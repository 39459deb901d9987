"""Anthropic's Messages API over the chat operation, as pure functions.

In: a request; a completion. Out: the chat request that it is; the message. The events of a stream
are in message_stream.py.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import Choice, Completion, TokenUsage
from deployments.images.references import check_reference
from deployments.ingress.schemas.messages import (
    CustomTool,
    ImageBlock,
    MessageCountRequest,
    MessageRequest,
    MessageTurn,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from deployments.ingress.schemas.openai import ChatRequest
from deployments.ingress.translation.problems import FieldNames, to_chat

# Chat's names of fields, and what they are called here.
FIELD_NAMES: FieldNames = (
    (re.compile(r"\bmessages\b(?:(?:\[\d+\]|\.\d+)[\w.\[\]]*)?"), "messages"),
    (re.compile(r"\bmax_(completion_)?tokens\b"), "max_tokens"),
    (re.compile(r"\bstop\b"), "stop_sequences"),
    (re.compile(r"\btools(\[\d+\]|\.\d+)\.function\.parameters\b"), r"tools\1.input_schema"),
    (re.compile(r"\btools(\[\d+\]|\.\d+)\.function\b"), r"tools\1"),
    (re.compile(r"\btool_choice\.function\b"), "tool_choice"),
)
INVALID_JSON = "INVALID_JSON"  # member of `input` for arguments that were cut off
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def chat_request(body: MessageRequest | MessageCountRequest, *, stream: bool) -> ChatRequest:
    """The chat that a message continues.

    Raises UnsupportedParameter, and InvalidRequest naming a field of the body.
    """
    single = None if body.tool_choice is None else body.tool_choice.disable_parallel_tool_use
    tools = _tools(body)
    fields: dict[str, Any] = {
        "model": body.model,
        "messages": chat_messages(body),
        "stream": stream,
        "tools": tools,
        "tool_choice": _tool_choice(body),
        "parallel_tool_calls": not single if tools and single is not None else None,
    }
    if isinstance(body, MessageRequest):
        fields |= {
            "max_completion_tokens": body.max_tokens,
            "stop": body.stop_sequences or None,
            "temperature": body.temperature,
            "top_p": body.top_p,
            "top_k": body.top_k,
            "user": None if body.metadata is None else body.metadata.user_id,
        }
    return to_chat(
        {name: value for name, value in fields.items() if value is not None}, FIELD_NAMES
    )


def chat_messages(body: MessageRequest | MessageCountRequest) -> list[dict[str, Any]]:
    """The messages of the chat: results of tools are messages of their own."""
    messages: list[dict[str, Any]] = []
    if body.system:
        system = body.system
        text = system if isinstance(system, str) else "".join([each.text for each in system])
        messages.append({"role": "system", "content": text})
    for index, turn in enumerate(body.messages):
        if isinstance(turn.content, str):
            messages.append({"role": turn.role, "content": turn.content})
        elif turn.role == "assistant":
            messages.append(_assistant(turn, f"messages[{index}].content"))
        else:
            messages += _turn(turn, f"messages[{index}].content")
    return messages


def message_object(
    id: str,
    model: str,
    content: Sequence[dict[str, Any]],
    usage: TokenUsage,
    end: Mapping[str, str | None],
) -> dict[str, Any]:
    """The `message` of the API; `end` is why it ended."""
    return {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(content),
        **end,
        "usage": usage_body(usage),
    }


def completed_message(id: str, model: str, completion: Completion) -> dict[str, Any]:
    """The message of a completion of one choice. `model` is the requested one."""
    choice = completion.choices[0]
    blocks = content_blocks(choice)
    end = message_end(choice.finish_reason, choice.stop)
    return message_object(id, completion.model or model, blocks, completion.usage, end)


def content_blocks(choice: Choice) -> list[dict[str, Any]]:
    """The text where there is some, then the calls."""
    blocks: list[dict[str, Any]] = []
    text = choice.text or choice.refusal
    if text:
        blocks.append({"type": "text", "text": text})
    for call in choice.tool_calls:
        values = _arguments(call.arguments)
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": values})
    return blocks


def message_end(finish_reason: str, stop: str) -> dict[str, str | None]:
    """Anthropic's names of a finish reason; `stop` is the stop string that was met, or empty."""
    if finish_reason == "stop" and stop:
        return {"stop_reason": "stop_sequence", "stop_sequence": stop}
    reasons = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
    return {"stop_reason": reasons.get(finish_reason, "end_turn"), "stop_sequence": None}


def usage_body(usage: TokenUsage) -> dict[str, int]:
    """Token counts under Anthropic's names, where cached ones are no input tokens; `estimated`
    where the provider did not report them.
    """
    body = {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }
    return {**body, "estimated": True} if usage.is_estimated else body


def _arguments(text: str) -> dict[str, Any]:
    try:
        values = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {INVALID_JSON: text}
    return values if isinstance(values, dict) else {INVALID_JSON: text}


def _assistant(turn: MessageTurn, place: str) -> dict[str, Any]:
    """One message of text and calls."""
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for index, block in enumerate(turn.content):
        if isinstance(block, TextBlock):
            texts.append(block.text)
        elif isinstance(block, ToolUseBlock):
            function = {"name": block.name, "arguments": orjson.dumps(block.input).decode()}
            calls.append({"id": block.id, "type": "function", "function": function})
        elif not isinstance(block, ThinkingBlock):
            raise _refused(block, f"{place}[{index}]")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    if calls:
        message |= {"content": message["content"] or None, "tool_calls": calls}
    return message


def _turn(turn: MessageTurn, place: str) -> list[dict[str, Any]]:
    """The messages of a user's turn: text and pictures that stand together, each result of a
    tool."""
    messages: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []  # of the message that is being put together
    for index, block in enumerate(turn.content):
        where = f"{place}[{index}]"
        if isinstance(block, TextBlock | ImageBlock):
            if not parts:
                messages.append({"role": turn.role})
            parts.append(_part(block, where))
            messages[-1]["content"] = _content(parts)
            continue
        parts = []
        if isinstance(block, ThinkingBlock):
            continue
        if not isinstance(block, ToolResultBlock):
            raise _refused(block, where)
        text = _result_text(block, f"{where}.content")
        messages.append({"role": "tool", "tool_call_id": block.tool_use_id, "content": text})
    return messages


def _content(parts: Sequence[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """One text where there are no pictures."""
    if any(part["type"] == "image_url" for part in parts):
        return list(parts)
    return "".join([part["text"] for part in parts])


def _part(block: TextBlock | ImageBlock, place: str) -> dict[str, Any]:
    """A part of a chat's content. Raises InvalidRequest for a picture without its source, and
    ImageRefused."""
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    source, image = block.source, {}
    if source.type == "base64" and source.data is not None:
        image["url"] = f"data:{source.media_type or 'image/unknown'};base64,{source.data}"
    elif source.type == "url" and source.url is not None:
        check_reference(source.url, place)
        image["url"] = source.url
    elif source.type == "file" and source.file_id is not None:
        image["file_id"] = source.file_id
    else:
        param = f"{place}.source"
        name = {"base64": "data", "url": "url", "file": "file_id"}[source.type]
        raise InvalidRequest(f"{param}: the type {source.type} goes with {name}.", param=param)
    return {"type": "image_url", "image_url": image}


def _result_text(block: ToolResultBlock, place: str) -> str:
    if block.content is None or isinstance(block.content, str):
        return block.content or ""
    texts: list[str] = []
    for index, part in enumerate(block.content):
        if not isinstance(part, TextBlock):
            raise _refused(part, f"{place}[{index}]")
        texts.append(part.text)
    return "".join(texts)


def _refused(block: Any, place: str) -> UnsupportedParameter:
    return UnsupportedParameter(place, f"no block of type '{block.type[:50]}' is read here.")


def _tools(body: MessageRequest | MessageCountRequest) -> list[dict[str, Any]] | None:
    tools: list[dict[str, Any]] = []
    for index, tool in enumerate(body.tools or ()):
        if not isinstance(tool, CustomTool):
            why = f"tools of type '{tool.type[:50]}' are not here; describe one of your own."
            raise UnsupportedParameter(f"tools[{index}]", why)
        function: dict[str, Any] = {"name": tool.name, "parameters": tool.input_schema}
        if tool.description is not None:
            function["description"] = tool.description
        if tool.strict is not None:
            function["strict"] = tool.strict
        tools.append({"type": "function", "function": function})
    return tools or None


def _tool_choice(body: MessageRequest | MessageCountRequest) -> Any:
    choice = body.tool_choice
    if choice is None:
        return None
    if choice.type != "tool":
        return _CHOICES[choice.type]
    if choice.name is None:
        param = "tool_choice.name"
        raise InvalidRequest(f"{param}: the type tool goes with the name of one.", param=param)
    return {"type": "function", "function": {"name": choice.name}}
