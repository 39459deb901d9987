"""What stands around Serve's own HTTP servers: layers that a request meets before Serve does.

Serve calls `middlewares` (RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH) in each ingress replica, for
the port that HAProxy asks, and in its Python proxy, for the plain profile. So these hold for every
way in, HAProxy or not.
"""

import re
import sys
from typing import Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.ops.serve_headers import DECODED, REQUEST_ID, STEERING
from deployments.ingress.http.guard import RequestGuard


def middlewares() -> list[Middleware]:
    """Innermost first, as Serve wants them."""
    layers = (RequestGuard, ServeHeaderFilter, UnchunkedHttp10)
    return [Middleware(layer) for layer in layers]


class ServeHeaderFilter:
    """Removes what would steer Serve, and what Serve could not decode."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope["headers"] = [header for header in scope["headers"] if _passes(*header)]
        await self._app(scope, receive, send)


_STEERING = frozenset(name.encode() for name in STEERING)
_DECODED = frozenset(name.encode() for name in DECODED)
_SANE_ID = re.compile(REQUEST_ID.encode())


def _passes(name: bytes, value: bytes) -> bool:
    """`name` is in lower case, as ASGI has it."""
    known = name.replace(b"_", b"-")
    if known in _STEERING:
        return False
    if known not in _DECODED:
        return name.isascii()
    if known == b"x-request-id":  # Serve repeats it in the answer
        return name == known and _SANE_ID.fullmatch(value) is not None
    return value.isascii() and value.decode("ascii").isprintable()


class UnchunkedHttp10:
    """Ends answers to HTTP/1.0 by closing the connection where their length is not known.

    uvicorn's server for httptools sends chunks then, which HTTP/1.0 does not know (RFC 9112,
    section 6.1); its server for h11 does not. A test pins what is used of it: the object behind
    `send`, uvicorn 0.54's RequestResponseCycle, with `chunked_encoding` (None: not decided yet)
    and `expected_content_length`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle: Any = getattr(send, "__self__", None)
        if (
            scope["type"] != "http"
            or scope["http_version"] != "1.0"
            or (getattr(cycle, "chunked_encoding", False) is not None)
        ):
            await self._app(scope, receive, send)
            return
        unknown = False

        async def send_until_close(message: Message) -> None:
            nonlocal unknown
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                unknown = all(name.lower() != b"content-length" for name, _ in headers)
                if unknown:
                    cycle.chunked_encoding = False
                    message = {**message, "headers": [*headers, (b"connection", b"close")]}
            elif unknown and message["type"] == "http.response.body":
                more = message.get("more_body", False)
                cycle.expected_content_length = (
                    sys.maxsize if more else len(message.get("body", b""))
                )
            await send(message)

        await self._app(scope, receive, send_until_close)
