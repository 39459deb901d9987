"""Items of `/v1/responses` and the messages of a chat.

In: a request's `input`, and items of stored responses. Out: items in one form, each with an id, and
the messages that they are. An id names its response: an item is found by its id alone.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.images.references import check_reference
from deployments.ingress.schemas.responses import (
    FileSearchCallItem,
    FunctionCallItem,
    FunctionCallOutput,
    InputContent,
    InputImage,
    InputItem,
    InputMessage,
    InputRefusal,
    InputText,
    ItemReference,
    ReasoningItem,
    ResponseCreate,
)

Item = dict[str, Any]

_IMAGE_FIELDS = {"type", "image_url", "file_id", "detail"}
_ITEM_ID = re.compile(r"(?:msg|fc|fco|fs)_([0-9a-f]{32,64})_i?\d+")


def referenced_responses(body: ResponseCreate) -> list[str]:
    """The ids of the responses to whose items the input refers."""
    found = [
        f"resp_{match[1]}"
        for item in (() if isinstance(body.input, str) else body.input)
        if isinstance(item, ItemReference) and (match := _ITEM_ID.fullmatch(item.id))
    ]
    return list(dict.fromkeys(found))


def input_items(body: ResponseCreate, number: str, known: Mapping[str, Item]) -> list[Item]:
    """The items of the input. `number` is that of the response, `known` are items by id that may
    be referred to; reasoning and searches are left out.

    Raises UnsupportedParameter for items and parts of other types, InvalidRequest for a reference
    to an item that is not known.
    """
    if isinstance(body.input, str):
        return [_message(f"msg_{number}_i0", "user", [_text_part("user", body.input)])]
    return [
        _item(item, f"input[{index}]", f"{number}_i{index}", known)
        for index, item in enumerate(body.input)
        if not isinstance(item, (ReasoningItem, FileSearchCallItem))
    ]


def chat_messages(items: Sequence[Item]) -> list[dict[str, Any]]:
    """The messages of a chat. Calls are of the assistant's message directly before them; searches
    are no messages."""
    messages: list[dict[str, Any]] = []
    for item in items:
        if item["type"] == "message":
            messages.append({"role": item["role"], "content": _content(item["content"])})
        elif item["type"] == "function_call":
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": None})
            function = {"name": item["name"], "arguments": item["arguments"]}
            call = {"id": item["call_id"], "type": "function", "function": function}
            messages[-1].setdefault("tool_calls", []).append(call)
        elif item["type"] == "function_call_output":
            messages.append(
                {"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]}
            )
    return messages


def call_item(id: str, call_id: str, name: str, arguments: str, status: str = "completed") -> Item:
    """A function call, of the input or of the output."""
    return {
        "id": id,
        "type": "function_call",
        "status": status,
        "arguments": arguments,
        "call_id": call_id,
        "name": name,
    }


def _item(item: InputItem, place: str, own: str, known: Mapping[str, Item]) -> Item:
    """`place` is where the item is in the body, `own` ends the id of one that has none."""
    match item:
        case InputMessage():
            parts = _parts(item.content, item.role, f"{place}.content")
            return _message(item.id or f"msg_{own}", item.role, parts)
        case FunctionCallItem():
            return call_item(item.id or f"fc_{own}", item.call_id, item.name, item.arguments)
        case FunctionCallOutput():
            return {
                "id": item.id or f"fco_{own}",
                "type": "function_call_output",
                "call_id": item.call_id,
                "output": _join(_parts(item.output, "tool", f"{place}.output")),
                "status": "completed",
            }
        case ItemReference():
            if item.id in known:
                return known[item.id]
            param = f"{place}.id"
            detail = f"{param}: no stored response has an item '{item.id[:100]}'."
            raise InvalidRequest(detail, param=param)
        case _:
            kind = (item.type or "")[:50]
            raise UnsupportedParameter(place, f"items of type '{kind}' belong to tools of others.")


def _message(id: str, role: str, parts: list[Item]) -> Item:
    return {"id": id, "type": "message", "status": "completed", "content": parts, "role": role}


def _parts(content: InputContent, role: str, place: str) -> list[Item]:
    if isinstance(content, str):
        return [_text_part(role, content)]
    parts: list[Item] = []
    for index, part in enumerate(content):
        if isinstance(part, InputText):
            parts.append(_text_part(role, part.text))
        elif isinstance(part, InputRefusal):
            parts.append({"type": "refusal", "refusal": part.refusal})
        elif isinstance(part, InputImage) and role == "user":
            if part.image_url is not None:
                check_reference(part.image_url, f"{place}[{index}]")
            parts.append(part.model_dump(include=_IMAGE_FIELDS, exclude_none=True))
        else:
            why = f"no '{part.type[:50]}' is read here."
            raise UnsupportedParameter(f"{place}[{index}]", why)
    return parts


def _content(parts: Sequence[Item]) -> str | list[Item]:
    """The content of a chat's message: text, or pictures between texts."""
    if all(part["type"] != "input_image" for part in parts):
        return _join(parts)
    return [
        _chat_image(part) if part["type"] == "input_image" else _chat_text(part) for part in parts
    ]


def _chat_image(part: Item) -> Item:
    named = {"image_url": "url", "file_id": "file_id", "detail": "detail"}
    return {
        "type": "image_url",
        "image_url": {name: part[field] for field, name in named.items() if field in part},
    }


def _chat_text(part: Item) -> Item:
    return {"type": "text", "text": _join([part])}


def _text_part(role: str, text: str) -> Item:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": []}
    return {"type": "input_text", "text": text}


def _join(parts: Sequence[Item]) -> str:
    return "".join([part["text"] if "text" in part else part["refusal"] for part in parts])
