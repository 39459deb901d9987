"""The layers around Serve's own HTTP servers, which a request passes before Serve reads it.

Serve calls `middlewares` (RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH) in each ingress replica, for
the port that HAProxy connects to, and in its Python proxy, for the plain profile. So they hold for
every way in, HAProxy or not. A request that is refused here costs Serve nothing and leaves no trace
in its metrics, whose series are labelled by the method and never dropped.

    UnchunkedHttp10    the outermost
    JoinedWrites       one system call for a whole response (joined_writes.py)
    RequestGuard       methods and bodies that no route has
    ServeBypass        to the application, where it is in this process (serve_bypass.py)
    ServeHeaderFilter  only for requests that Serve itself reads

Imports nothing heavy: Serve's proxies load this, too.
"""

import re
import sys
from typing import Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.ops.serve_headers import DECODED, REQUEST_ID, STEERING
from cluster.runtime.problems import MethodNotImplemented
from deployments.ingress.http.joined_writes import JoinedWrites
from deployments.ingress.http.serve_bypass import ServeBypass

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BODYLESS_METHODS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
MAX_UNREAD = 64 << 10  # bytes of a body that no route reads

_STEERING = frozenset(name.encode() for name in STEERING)
_DECODED = frozenset(name.encode() for name in DECODED)
_REQUEST_ID = re.compile(REQUEST_ID.encode())


def middlewares() -> list[Middleware]:
    """Innermost first, as Serve expects them."""
    layers = (ServeHeaderFilter, ServeBypass, RequestGuard, JoinedWrites, UnchunkedHttp10)
    return [Middleware(layer) for layer in layers]


class RequestGuard:
    """Answers 501 to methods that no route has; bounds bodies that no route reads.

    Serve reads bodies ahead of the application without a bound.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["method"] not in METHODS:
                await _refuse(scope, send)
                return
            if scope["method"] in BODYLESS_METHODS:
                receive = _bound_body(receive)
        await self._app(scope, receive, send)


async def _refuse(scope: Scope, send: Send) -> None:
    from deployments.ingress.http.problems import send_problem  # imports much

    method, known = scope["method"], ", ".join(sorted(METHODS))
    problem = MethodNotImplemented(f"Method '{method[:20]}' is none of {known}.")
    await send_problem(problem, scope, send)


def _bound_body(receive: Receive) -> Receive:
    """A `receive` that reports a disconnect once the client has sent MAX_UNREAD bytes."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        if received > MAX_UNREAD:
            return {"type": "http.disconnect"}
        message = await receive()
        received += len(message.get("body", b""))
        return message

    return receive_bounded


class ServeHeaderFilter:
    """Removes headers that steer Serve, and those that Serve could not decode."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope["headers"] = [header for header in scope["headers"] if _is_allowed(*header)]
        await self._app(scope, receive, send)


def _is_allowed(name: bytes, value: bytes) -> bool:
    """`name` is in lower case, as ASGI has it."""
    dashed = name.replace(b"_", b"-")
    if dashed in _STEERING:
        return False
    if dashed not in _DECODED:
        return name.isascii()
    if dashed == b"x-request-id":  # Serve repeats it in the response
        return name == dashed and _REQUEST_ID.fullmatch(value) is not None
    return value.isascii() and value.decode("ascii").isprintable()


class UnchunkedHttp10:
    """Ends responses to HTTP/1.0 by closing the connection where their length is not known.

    uvicorn's httptools server sends chunks then, which HTTP/1.0 does not have (RFC 9112 section
    6.1); its h11 server does not. A test pins the attributes used of the object behind `send`,
    uvicorn 0.54's RequestResponseCycle: `chunked_encoding` (None: not decided yet) and
    `expected_content_length`.
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
        is_length_unknown = False

        async def send_until_close(message: Message) -> None:
            nonlocal is_length_unknown
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                is_length_unknown = all(name.lower() != b"content-length" for name, _ in headers)
                if is_length_unknown:
                    cycle.chunked_encoding = False
                    message = {**message, "headers": [*headers, (b"connection", b"close")]}
            elif is_length_unknown and message["type"] == "http.response.body":
                more = message.get("more_body", False)
                cycle.expected_content_length = (
                    sys.maxsize if more else len(message.get("body", b""))
                )
            await send(message)

        await self._app(scope, receive, send_until_close)
