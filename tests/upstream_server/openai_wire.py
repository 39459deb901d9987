"""OpenAI's API as an upstream speaks it: bodies, events, errors, lists of models, vectors.

In: an answer and the request's body. Out: dictionaries; the server writes them.
"""

from typing import Any

from tests.upstream_server.answers import VECTOR, UpstreamAnswer

DONE = b"data: [DONE]\n\n"
CREATED = 1_700_000_000

Event = tuple[str, dict[str, Any]]  # its name (empty: none) and its data


def completion(answer: UpstreamAnswer, body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.calls:
        message["tool_calls"] = [_call(at, answer) for at in range(len(answer.calls))]
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    return {
        **_envelope("chat.completion", body),
        "choices": [
            {"index": index, "message": message, "finish_reason": answer.finish, "logprobs": None}
            for index in range(choices(body))
        ],
        "usage": usage(answer, choices(body)),
    }


def events(answer: UpstreamAnswer, body: dict[str, Any]) -> list[Event]:
    """A chunk for each piece of each choice, then one with its end, then the usage if wanted."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if answer.reasoning:
        deltas.append({"reasoning_content": answer.reasoning})
    if answer.text:
        deltas += [{"content": piece} for piece in answer.pieces]
    for at, call in enumerate(answer.calls):
        start = {**_call(at, answer), "index": at}
        start["function"] = {"name": call.name, "arguments": ""}
        deltas.append({"tool_calls": [start]})
        half = len(call.arguments) // 2
        for part in (call.arguments[:half], call.arguments[half:]):
            deltas.append({"tool_calls": [{"index": at, "function": {"arguments": part}}]})
    found = [_chunk(body, index, delta, None) for delta in deltas for index in range(choices(body))]
    found += [_chunk(body, index, {}, answer.finish) for index in range(choices(body))]
    if (body.get("stream_options") or {}).get("include_usage"):
        end = {**_envelope("chat.completion.chunk", body), "choices": []}
        found.append({**end, "usage": usage(answer, choices(body))})
    return [("", each) for each in found]


def usage(answer: UpstreamAnswer, many: int) -> dict[str, Any]:
    output = answer.output_tokens * many
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": output,
        "total_tokens": answer.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens * many},
    }


def error(status: int, message: str) -> dict[str, Any]:
    kinds = {401: "invalid_request_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def error_event(message: str) -> Event:
    return "", {"error": {"message": message, "type": "server_error", "code": "overloaded"}}


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    rows = [
        {"object": "embedding", "index": index, "embedding": [float(index), *VECTOR]}
        for index in range(len(texts))
    ]
    tokens = 2 * len(texts)
    return {
        "object": "list",
        "data": rows,
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def models(*names: str) -> dict[str, Any]:
    rows = [{"id": name, "object": "model", "created": CREATED, "owned_by": "up"} for name in names]
    return {"object": "list", "data": rows}


def choices(body: dict[str, Any]) -> int:
    return int(body.get("n") or 1)


def _call(at: int, answer: UpstreamAnswer) -> dict[str, Any]:
    call = answer.calls[at]
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _chunk(
    body: dict[str, Any], index: int, delta: dict[str, Any], finish: str | None
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {**_envelope("chat.completion.chunk", body), "choices": [choice]}


def _envelope(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": CREATED, "model": body.get("model")}
