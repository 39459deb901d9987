"""Writes one JSON line for each HTTP request, with no prompt, no body and no credential in it."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.audit.fields import REDACTED, SECRET
from cluster.clock import Clock
from deployments.ingress.client_address import client_address
from deployments.ingress.trace import Trace, current_trace

Write = Callable[[bytes], None]
_SECRET, _REDACTED = re.compile(SECRET.pattern.encode()), REDACTED.encode()


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
        trace = Trace(self._clock)
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
        "request_id": state.get("request_id"),
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "ms": round(ms, 2),
        "bytes": size,
        "tenant": state.get("tenant"),
        "key": state.get("key_id"),
        "model": state.get("model"),
        "client": client_address(scope) or None,
    }
    if "problem" in state:
        line["problem"] = state["problem"]
    return _SECRET.sub(_REDACTED, orjson.dumps(line))


def _limits(state: Mapping[str, Any], status: int) -> Iterable[tuple[bytes, bytes]]:
    """Rate limit fields; a refusal names the limit that bound itself, and only that."""
    fields = state["fields"]() if "fields" in state else ()
    return (field for field in fields if status != 429 or field[0] != b"ratelimit")
