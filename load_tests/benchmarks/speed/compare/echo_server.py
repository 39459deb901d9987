"""The mock behind the gateways: the least that speaks OpenAI's chat protocol, under uvicorn.

In: a chat request. Out: its last message again, whole, or as `max_tokens` chunks `pause` seconds
apart, with an event for the usage where it is asked for; a list of its one model, and that it is
healthy.
"""

import argparse
import asyncio
from typing import Any

import orjson
import uvicorn

_JSON = [(b"content-type", b"application/json")]
_MODEL = {"id": "echo", "object": "model", "created": 1, "owned_by": "echo"}
_SSE = [(b"content-type", b"text/event-stream")]


class EchoApp:
    """`pause` is in seconds."""

    def __init__(self, pause: float) -> None:
        self._pause = pause

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "GET":
            await _describe(scope["path"], send)
            return
        body = orjson.loads(await _read(receive) or b"{}")
        if body.get("stream"):
            await self._stream(send, body)
            return
        words = body["messages"][-1]["content"] if "messages" in body else ""
        await _start(send, _JSON)
        await send({"type": "http.response.body", "body": orjson.dumps(_answer(words))})

    async def _stream(self, send: Any, body: dict[str, Any]) -> None:
        tokens = int(body.get("max_completion_tokens") or body.get("max_tokens") or 50)
        await _start(send, _SSE)
        for number in range(tokens):
            await asyncio.sleep(self._pause)
            last = number == tokens - 1
            await _send_event(send, orjson.dumps(_chunk("w", "length" if last else None)))
        if (body.get("stream_options") or {}).get("include_usage"):
            await _send_event(send, orjson.dumps(_usage_chunk(tokens)))
        await _send_event(send, b"[DONE]")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _describe(path: str, send: Any) -> None:
    """What a gateway asks before it sends requests."""
    known = {"/health": b"{}", "/v1/models": orjson.dumps({"object": "list", "data": [_MODEL]})}
    await _start(send, _JSON, 200 if path in known else 404)
    await send({"type": "http.response.body", "body": known.get(path, b"")})


async def _read(receive: Any) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _start(send: Any, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_event(send: Any, data: bytes) -> None:
    body = b"data: " + data + b"\n\n"
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _answer(words: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": words}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**_envelope("chat.completion"), "choices": [choice], "usage": _usage(1)}


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": 1 + tokens}


def _usage_chunk(tokens: int) -> dict[str, Any]:
    return {**_envelope("chat.completion.chunk"), "choices": [], "usage": _usage(tokens)}


def _chunk(text: str, reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return {**_envelope("chat.completion.chunk"), "choices": [choice]}


def _envelope(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-echo", "object": kind, "created": 1, "model": "echo"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pause", type=float, required=True)
    options = parser.parse_args()
    uvicorn.run(
        EchoApp(options.pause), host="127.0.0.1", port=options.port,
        log_level="warning", access_log=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
