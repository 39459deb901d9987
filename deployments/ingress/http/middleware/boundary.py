"""The outermost layers: what every request gets, and what every response carries.

In: any HTTP request. Out: a request with an id, answered with the common response headers, with a
Problem in place of any error, and one line of JSON in the access log. No prompt, no body and no
credential is in that line.
"""

import logging
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.logs.schema import ACCESS_LOGGER
from cluster.ops.serve_headers import REQUEST_ID
from cluster.runtime.clock import Clock
from cluster.runtime.logging import MIN_LENGTH, escape_active, logged_request, redact
from cluster.runtime.problems import UntrustedHost, to_problem
from deployments.ingress.context import (
    STATE_KEY,
    HeaderFields,
    ModelWaitTimer,
    RequestState,
    request_state,
)
from deployments.ingress.http.problems import send_problem
from deployments.ingress.http.request_metrics import RequestMetrics
from deployments.ingress.tracing.request_tracing import RequestTracing

logger = logging.getLogger("mobula.ingress")

WriteLine = Callable[[bytes], None]
ANY_HOST = "*"  # among the allowed hosts: TrustedHosts is left out
MAX_PATH = 2_048  # characters of a path that are logged
_SCANNED = 8 * MAX_PATH  # characters that are searched for credentials
_RANDOM_BYTES = 4_096
_LONGEST_CREDENTIAL = 2_048  # characters; the cut may have gone through one
_REQUEST_ID = re.compile(REQUEST_ID.encode())
_PROBES = frozenset({"/healthz", "/readyz"})  # requested by address; their responses hold no secret

_CONTENT_POLICY = b"content-security-policy"
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"))
API_HEADERS: Final = (
    *_ALWAYS,
    (_CONTENT_POLICY, b"default-src 'none'; frame-ancestors 'none'"),
)
# For pages, which bring a content policy of their own.
_PAGE_HEADERS: Final = (
    *_ALWAYS,
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class RequestBoundary:
    """Assigns the request id, writes the access log line, and adds headers to each response.
    Records the request's trace, if it is sampled, or was slow, or failed by a fault of the server.

    Sets the `request_id` and the `timer` of the request's state, and keeps its `response` up to
    date. The headers are `X-Request-ID`; those that tell a browser to trust as little as possible;
    `X-Mobula-Overhead-Ms`, the time to the first byte that was not spent waiting for a model; and
    the rate limit headers of the request's permit. A response with a content policy keeps it.

    `on_request` is called with each request's id, in the context of its task.
    """

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        write: WriteLine,
        metrics: RequestMetrics,
        tracing: RequestTracing,
        on_request: Callable[[str], None] | None = None,
    ) -> None:
        self._app = app
        self._tracing = tracing
        self._clock = clock
        self._write = write
        self._metrics = metrics
        self._on_request = on_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        clock = self._clock
        state = scope[STATE_KEY] = scope.get(STATE_KEY) or RequestState()
        request_id, is_clients, traceparent = request_id_of(scope)
        state.request_id, state.is_clients_id = request_id, is_clients
        logged_request.set((request_id, ""))
        if self._on_request is not None:
            self._on_request(request_id)
        timer, tracing = ModelWaitTimer(clock), self._tracing
        state.timer, is_sampled = timer, tracing.draw() < tracing.ratio
        if is_sampled or traceparent is not None:
            timer.trace = tracing.begin(scope, traceparent, is_sampled=is_sampled)
        progress = state.response
        started_at = clock.monotonic()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                progress.is_started, progress.status = True, message["status"]
                headers = list(message["headers"])
                is_page = _CONTENT_POLICY in dict(headers)
                headers += _PAGE_HEADERS if is_page else API_HEADERS
                progress.first_byte_s = clock.monotonic() - started_at
                overhead_ms = (progress.first_byte_s - timer.waited_s()) * 1000
                progress.overhead_ms = max(0.0, overhead_ms)
                headers.append((b"x-mobula-overhead-ms", b"%.2f" % overhead_ms))
                admitted = None if state.context is None else state.context.admitted
                added = [*(admitted.headers() if admitted else ()), *state.extra_headers]
                # A 429 names the limit that was exceeded, and only that.
                headers += added if progress.status != 429 else without_limits(added)
                headers.append((b"x-request-id", request_id.encode()))
                message["headers"] = headers
            elif message["type"] == "http.response.body":
                progress.body_bytes += len(message.get("body", b""))
                progress.is_complete = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            elapsed_ms = (clock.monotonic() - started_at) * 1000
            caller, status, size = state.caller, progress.status, progress.body_bytes
            tenant, problem = None if caller is None else caller.tenant, state.problem
            path, method = scope["path"], scope["method"]
            kind, overhead_ms = progress.kind, progress.overhead_ms
            self._metrics.record(
                path, method, status, elapsed_ms, size, tenant, problem, kind, overhead_ms
            )
            if (
                status >= 500
                or (status == 200 and problem is not None)
                or (timer.trace is not None and timer.trace.is_sampled)
                or (progress.first_byte_s if progress.is_started else elapsed_ms / 1000)
                >= tracing.slow_s
            ):
                tracing.record(scope, state, timer, started_at, elapsed_ms)
            self._write(access_line(clock, scope, status, elapsed_ms, size))


class ErrorBoundary:
    """Answers every error of the layers inside with a Problem.

    Unknown errors are logged with their traceback and answered with a constant text. An error
    after the start of the response is raised again: the server closes the connection, so that the
    client cannot take a part of the response for the whole. (Starlette raises an unknown error
    again after the application's handler has answered it; that response is complete.)

    Stands inside RequestBoundary, whose `response` it reads.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            state = request_state(scope)
            if state.response.is_complete:
                return
            problem = to_problem(error)
            if problem is not error:
                logger.exception("request %s failed", state.request_id)
            if state.response.is_started:
                raise
            state.problem = problem.slug
            await send_problem(problem, scope, send)


class TrustedHosts:
    """Refuses requests for hosts that are not served here (DNS rebinding). Probes pass.

    `allowed` are host names without port; `*.example.com` allows any subdomain.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self._app = app
        self._exact = frozenset(host.lower() for host in allowed if not host.startswith("*."))
        self._suffixes = tuple(host[1:].lower() for host in allowed if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises UntrustedHost."""
        if scope["type"] == "http" and scope["path"] not in _PROBES and not self.are_trusted(scope):
            raise UntrustedHost(f"Host '{_host(scope)[:100]}' is not served here.")
        await self._app(scope, receive, send)

    def are_trusted(self, scope: Scope) -> bool:
        """Whether the Host header of an HTTP scope names a host that is served here."""
        host = _host(scope)
        return host in self._exact or bool(self._suffixes and host.endswith(self._suffixes))


def without_limits(fields: HeaderFields) -> HeaderFields:
    """The fields but those that say how all limits stand."""
    return [field for field in fields if field[0] != b"ratelimit"]


def request_id_of(scope: Scope) -> tuple[str, bool, bytes | None]:
    """The request's id, and whether it is the client's own: one of the accepted form, else a new
    one. The header `traceparent` of the caller, unchecked.
    """
    own: bytes | None = None
    traceparent: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and own is None:
            own = value
        elif name == b"traceparent":  # of several, none counts
            traceparent = value if traceparent is None else b""
    if own is not None and _REQUEST_ID.fullmatch(own):
        return own.decode(), True, traceparent
    return f"req_{_random.take()}", False, traceparent


class _RandomHex:
    """128 random bits at a time, in hexadecimal; the kernel is asked for many at once."""

    __slots__ = ("_at", "_text")

    def __init__(self) -> None:
        self._text, self._at = "", 0

    def take(self) -> str:
        at = self._at
        if at >= len(self._text):
            self._text, at = secrets.token_hex(_RANDOM_BYTES), 0
        self._at = end = at + 32
        return self._text[at:end]


_random = _RandomHex()


def access_line(clock: Clock, scope: Scope, status: int, ms: float, size: int) -> bytes:
    """The access log line (cluster/logs/schema.py) of a response of `size` bytes that took `ms`.

    Path, model and request id are the client's text: credentials in them are replaced. The path of
    an operation is its route's.
    """
    state: RequestState = scope[STATE_KEY]
    path, client = scope["path"], scope.get("client")
    caller, model, cache = state.caller, state.model, state.cache
    if state.context is not None and state.context.admitted is not None:
        admitted = state.context.admitted
        resolved = admitted.resolved_models
        model = ", ".join(resolved) if resolved else model
        for outcome in admitted.outcomes:
            cache = outcome.forwarded or outcome.detail
            if outcome.forwarded:
                break
    line = {
        "ts": round(clock.wall(), 3),
        "level": "info" if status < 500 else "error",
        "logger": ACCESS_LOGGER,
        "message": "request",
        "event": "request",
        "request_id": redact(state.request_id) if state.is_clients_id else state.request_id,
        "method": scope["method"],
        "path": _loggable_path(path) if state.operation is None else path,
        "status": status,
        "ms": round(ms, 2),
        "bytes": size,
        "tenant": None if caller is None else caller.tenant,
        "key": None if caller is None else caller.key_id,
        "model": redact(model) if model and len(model) >= MIN_LENGTH else model,
        "client": None if client is None else str(client[0]) or None,
    }
    if state.operation is not None:
        line["operation"] = state.operation
    if cache:
        line["cache"] = cache
    if state.timer is not None and state.timer.trace is not None:
        trace = state.timer.trace
        line["trace_id"], line["span_id"] = trace.trace_id, trace.span_id
    if state.problem is not None:
        line["problem"] = state.problem
    encoded = orjson.dumps(line)
    return encoded if encoded.isascii() and b"\x7f" not in encoded else escape_active(encoded)


def _loggable_path(path: str) -> str:
    """Without credentials, and of MAX_PATH characters at most."""
    if len(path) <= MAX_PATH:
        return redact(path)
    scanned = redact(path[: _SCANNED + _LONGEST_CREDENTIAL])
    return scanned[:-_LONGEST_CREDENTIAL][: MAX_PATH - 1] + "\u2026"


def _host(scope: Scope) -> str:
    value = next((v for name, v in scope["headers"] if name == b"host"), b"").decode("latin-1")
    if value.startswith("["):  # an IPv6 literal
        return value.partition("]")[0][1:].lower()
    return value.partition(":")[0].lower()
