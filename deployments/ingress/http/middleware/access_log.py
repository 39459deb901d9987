"""Writes one JSON line for each HTTP request, with no prompt, no body and no credential in it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.runtime.clock import Clock
from cluster.runtime.logging import escape_active
from cluster.runtime.redaction import redact
from deployments.ingress.http.client_address import client_address
from deployments.ingress.pipeline.overhead_timer import ModelWaitTimer, current_trace

Write = Callable[[bytes], None]
MAX_PATH = 2_048  # characters of a path that are logged
_SCANNED = 8 * MAX_PATH  # characters that are searched for credentials
_LONGEST = 2_048  # characters of the longest credential, which the cut may have gone through


class AccessLog:
    """Logs method, path, status, milliseconds, bytes, caller and model once the answer ended.

    Path, model and request id are the client's words; a credential among them is blotted out.
    Also answers with what is known at the first byte: `X-Mobula-Overhead-Ms`, the time that was
    not spent waiting for a model, and the rate limit fields of the request's permit.
    """

    def __init__(self, app: ASGIApp, clock: Clock, write: Write) -> None:
        self._app = app
        self._clock = clock
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        trace = ModelWaitTimer(self._clock)
        current_trace.set(trace)
        started = self._clock.monotonic()
        status = 499  # nothing was sent: the client left first
        sent_bytes = 0

        async def counting(message: Message) -> None:
            nonlocal status, sent_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
                spent = self._clock.monotonic() - started - trace.waited_s()
                headers = message["headers"]
                headers.append((b"x-mobula-overhead-ms", b"%.2f" % (spent * 1000)))
                headers.extend(_limits(state, status))
            elif message["type"] == "http.response.body":
                sent_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            elapsed_ms = (self._clock.monotonic() - started) * 1000
            self._write(access_line(self._clock, scope, status, elapsed_ms, sent_bytes))


def access_line(clock: Clock, scope: Scope, status: int, ms: float, size: int) -> bytes:
    """What is logged of an answer of `size` bytes that took `ms`."""
    state = scope["state"]
    line = {
        "ts": round(clock.wall(), 3),
        "event": "request",
        "request_id": _redacted(state.get("request_id")),
        "method": scope["method"],
        "path": _path(scope["path"]),
        "status": status,
        "ms": round(ms, 2),
        "bytes": size,
        "tenant": state.get("tenant"),
        "key": state.get("key_id"),
        "model": _redacted(state.get("model")),
        "client": client_address(scope) or None,
    }
    if "problem" in state:
        line["problem"] = state["problem"]
    return escape_active(orjson.dumps(line))


def _path(path: str) -> str:
    """Without credentials, and cut; the length of a path has no bound but the server's."""
    if len(path) <= MAX_PATH:
        return redact(path)
    return redact(path[: _SCANNED + _LONGEST])[:-_LONGEST][: MAX_PATH - 1] + "\u2026"


def _redacted(text: str | None) -> str | None:
    return None if text is None else redact(text)


def _limits(state: Mapping[str, Any], status: int) -> Iterable[tuple[bytes, bytes]]:
    """Rate limit fields; a refusal names the limit that bound itself, and only that."""
    fields = state["fields"]() if "fields" in state else ()
    return (field for field in fields if status != 429 or field[0] != b"ratelimit")
