"""Anthropic's API as an upstream speaks it: messages, their events, errors.

In: an answer and the request's body. Out: dictionaries; the server writes them.
"""

import json
from typing import Any

from tests.upstream_server.answers import UpstreamAnswer
from tests.upstream_server.openai_wire import Event

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def message(answer: UpstreamAnswer, body: dict[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if answer.reasoning:
        content.append({"type": "thinking", "thinking": answer.reasoning, "signature": "c2ln"})
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    for call in answer.calls:
        values = json.loads(call.arguments)
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": values})
    return {
        **_envelope(body),
        "content": content,
        "stop_reason": _REASONS.get(answer.finish, answer.finish),
        "stop_sequence": None,
        "usage": usage(answer),
    }


def events(answer: UpstreamAnswer, body: dict[str, Any]) -> list[Event]:
    start = {**usage(answer), "output_tokens": 1}
    head = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": start}
    found: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**_envelope(body), **head}},
        {"type": "ping"},
    ]
    for index, (opening, deltas) in enumerate(_blocks(answer)):
        found.append({"type": "content_block_start", "index": index, "content_block": opening})
        for delta in deltas:
            found.append({"type": "content_block_delta", "index": index, "delta": delta})
        found.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": _REASONS.get(answer.finish, answer.finish), "stop_sequence": None}
    output = {"output_tokens": answer.output_tokens}
    found.append({"type": "message_delta", "delta": end, "usage": output})
    found.append({"type": "message_stop"})
    return [(str(each["type"]), each) for each in found]


def usage(answer: UpstreamAnswer) -> dict[str, Any]:
    """Cached tokens are no input tokens here."""
    return {
        "input_tokens": answer.input_tokens - answer.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": answer.cached_tokens,
        "output_tokens": answer.output_tokens,
    }


def error(status: int, text: str) -> dict[str, Any]:
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        404: "not_found_error",
        429: "rate_limit_error",
        503: "overloaded_error",
        529: "overloaded_error",
    }
    kind = kinds.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}


def error_event(text: str) -> Event:
    return "error", {"type": "error", "error": {"type": "overloaded_error", "message": text}}


def _blocks(answer: UpstreamAnswer) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """What opens each block, and its deltas."""
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if answer.reasoning:
        thinking = {"type": "thinking_delta", "thinking": answer.reasoning}
        signature = {"type": "signature_delta", "signature": "c2ln"}
        opening = {"type": "thinking", "thinking": "", "signature": ""}
        blocks.append((opening, [thinking, signature]))
    if answer.text:
        texts = [{"type": "text_delta", "text": piece} for piece in answer.pieces]
        blocks.append(({"type": "text", "text": ""}, texts))
    for call in answer.calls:
        half = len(call.arguments) // 2
        parts = ("", call.arguments[:half], call.arguments[half:])
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
        opening = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        blocks.append((opening, deltas))
    return blocks


def _envelope(body: dict[str, Any]) -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant"}
    return {**head, "model": body.get("model")}
