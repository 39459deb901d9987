"""What the answers of the three APIs say, in one form: read independently of the code under test,
as their documentation describes them.
"""

import json
from dataclasses import dataclass
from typing import Any

Event = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Said:
    """`end` is stop, length or tool_calls; a call is its id, its name and its arguments' text."""

    text: str
    calls: tuple[tuple[str, str, str], ...]
    end: str
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int


def events(body: str) -> list[Event]:
    """The named events of a stream; each names itself in its data, too."""
    found = []
    for frame in body.split("\n\n"):
        if frame:
            name, data = frame.split("\n", 1)
            value = json.loads(data.removeprefix("data: "))
            assert name == f"event: {value['type']}"
            found.append((value["type"], value))
    return found


def chat(answer: dict[str, Any]) -> Said:
    [choice] = answer["choices"]
    calls = choice["message"].get("tool_calls") or ()
    return Said(
        choice["message"]["content"] or "",
        tuple((c["id"], c["function"]["name"], c["function"]["arguments"]) for c in calls),
        choice["finish_reason"],
        *_chat_usage(answer["usage"]),
    )


def chat_stream(body: str) -> Said:
    frames = [frame.removeprefix("data: ") for frame in body.split("\n\n") if frame]
    assert frames[-1] == "[DONE]"
    text, end, usage = "", "", None
    calls: dict[int, list[str]] = {}
    for chunk in map(json.loads, frames[:-1]):
        usage = chunk["usage"] or usage
        for choice in chunk["choices"]:
            text += choice["delta"].get("content") or ""
            end = choice["finish_reason"] or end
            for call in choice["delta"].get("tool_calls") or ():
                known = calls.setdefault(call["index"], ["", "", ""])
                known[0] += call.get("id", "")
                known[1] += call["function"].get("name", "")
                known[2] += call["function"]["arguments"]
    assert usage is not None
    said = tuple((id, name, arguments) for id, name, arguments in calls.values())
    return Said(text, said, end, *_chat_usage(usage))


def response(answer: dict[str, Any]) -> Said:
    text, calls = "", []
    for item in answer["output"]:
        if item["type"] == "message":
            text += "".join(part["text"] for part in item["content"])
        else:
            calls.append((item["call_id"], item["name"], item["arguments"]))
    end = "tool_calls" if calls else "stop"
    if answer["status"] == "incomplete":
        assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
        end = "length"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    return Said(
        text,
        tuple(calls),
        end,
        usage["input_tokens"],
        usage["input_tokens_details"]["cached_tokens"],
        usage["output_tokens"],
    )


def response_stream(body: str) -> Said:
    """Of the last event; the events before it say the same, piece by piece."""
    found = events(body)
    assert [data["sequence_number"] for _, data in found] == list(range(len(found)))
    assert [name for name, _ in found[:2]] == ["response.created", "response.in_progress"]
    items: list[dict[str, Any]] = []
    for name, data in found[2:-1]:
        if name == "response.output_item.added":
            assert data["output_index"] == len(items)
            items.append({**data["item"], "pieces": ""})
            continue
        index = data["output_index"]
        if name.endswith(".delta"):
            assert data["item_id"] == items[index]["id"]
            items[index]["pieces"] += data["delta"]
        elif name in ("response.output_text.done", "response.function_call_arguments.done"):
            assert items[index]["pieces"] == data.get("text", data.get("arguments"))
        elif name == "response.output_item.done":
            items[index] = data["item"]
    last, data = found[-1]
    answer: dict[str, Any] = data["response"]
    assert last == f"response.{answer['status']}"
    assert answer["output"] == items
    return response(answer)


def message(answer: dict[str, Any]) -> Said:
    texts = [block["text"] for block in answer["content"] if block["type"] == "text"]
    calls = [
        (block["id"], block["name"], _compact(block["input"]))
        for block in answer["content"]
        if block["type"] == "tool_use"
    ]
    return Said(
        "".join(texts), tuple(calls), _END[answer["stop_reason"]], *_message_usage(answer["usage"])
    )


def message_stream(body: str) -> Said:
    found = events(body)
    names = [name for name, _ in found]
    assert names[:2] == ["message_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]
    blocks: list[dict[str, Any]] = []
    open_block = None
    for name, data in found[2:-2]:
        if name == "content_block_start":
            assert open_block is None
            open_block = data["index"]
            assert open_block == len(blocks)
            blocks.append({**data["content_block"], "json": ""})
        elif name == "content_block_delta":
            assert data["index"] == open_block
            delta = data["delta"]
            if delta["type"] == "text_delta":
                blocks[-1]["text"] += delta["text"]
            else:
                blocks[-1]["json"] += delta["partial_json"]
        else:
            assert (name, data["index"]) == ("content_block_stop", open_block)
            open_block = None
    assert open_block is None
    end = found[-2][1]
    texts = "".join(block["text"] for block in blocks if block["type"] == "text")
    calls = tuple((b["id"], b["name"], b["json"]) for b in blocks if b["type"] == "tool_use")
    return Said(texts, calls, _END[end["delta"]["stop_reason"]], *_message_usage(end["usage"]))


_END = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


def _chat_usage(usage: dict[str, Any]) -> tuple[int, int, int]:
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return usage["prompt_tokens"], cached, usage["completion_tokens"]


def _message_usage(usage: dict[str, Any]) -> tuple[int, int, int]:
    """Cached tokens are no input tokens here."""
    cached = usage["cache_read_input_tokens"]
    return usage["input_tokens"] + cached, cached, usage["output_tokens"]


def _compact(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
