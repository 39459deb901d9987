"""Bounds of one request: open requests of the replica, seconds, bytes, content coding.

In: requests with their client's headers. Out: requests with a deadline, with a body that is decoded
and bounded while it is received, and cancelled when their client leaves.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.runtime.clock import Clock, Deadline
from cluster.runtime.problems import (
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    PayloadTooLarge,
    Problem,
    RequestTimeout,
)
from deployments.ingress.context import STATE_KEY, RequestState
from deployments.ingress.http.content_codings import decode_body
from deployments.ingress.http.disconnects import RequestWatch, RequestWatches
from deployments.ingress.http.serve_bypass import SERVER_CYCLE

NO_DEADLINE = "/files/"  # downloads take as long as they take; the route ends those that stall
GRACE_S = 2.0  # stages end at the deadline by themselves; this is for one that does not
MAX_DIGITS = 20  # of Content-Length; int() itself refuses 4,301 of them with an error of its own
MAX_SIGN_IN_BYTES = 16 << 10
_SHORT_PATH = 100  # characters

_NEVER_REFUSED = frozenset({"/healthz", "/readyz", "/health"})
_BODYLESS = frozenset({"GET", "HEAD"})  # their bodies are never read
_TIMEOUT, _LENGTH, _CODING = b"mobula-timeout", b"content-length", b"content-encoding"
_READ_HERE: Final = frozenset({_TIMEOUT, _LENGTH, _CODING})


@dataclass(frozen=True, slots=True)
class RouteLimit:
    """Bounds of their own for `methods` on paths that `path` matches in full.

    `max_bytes` bounds the body. `body_s` is the time in seconds for the body, and again for the
    response (None: the usual time). `too_large` makes the refusal.
    """

    methods: frozenset[str]
    path: re.Pattern[str]
    max_bytes: int
    body_s: float | None = None
    too_large: Callable[[int], PayloadTooLarge] = PayloadTooLarge


IMAGE_PATHS = re.compile(
    r".*/(?:chat/completions|responses|messages)|/api/v1/(?:captions|posts)(?:/batch)?"
)
# Open to everybody, so small: a password has 128 characters, a token 64.
SIGN_IN = RouteLimit(frozenset({"POST"}), re.compile(r"/api/v1/auth/.*"), MAX_SIGN_IN_BYTES)


def image_bodies(max_bytes: int) -> RouteLimit:
    """Of bodies that may have pictures inside."""
    return RouteLimit(frozenset({"POST"}), IMAGE_PATHS, max_bytes)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The usual bounds, and the routes that have their own.

    A client may ask for another time in `Mobula-Timeout: <seconds>`, up to `max_timeout_s`.
    """

    max_body_bytes: int
    timeout_s: float
    max_timeout_s: float
    max_open: int
    routes: Sequence[RouteLimit] = ()


class LimitedRequests:
    """Holds each request to `limits`.

    Raises Overloaded while `max_open` requests are open (probes always pass), PayloadTooLarge as
    soon as more bytes are declared or received, before or after decoding, RequestTimeout (408)
    where the body does not arrive in time, and DeadlineExceeded (504) where a stage does not answer
    in time; a stream that has begun ends itself, in-band.

    Sets the `deadline` of the request's state, and `lift_deadline` for a response without an end.
    """

    def __init__(self, app: ASGIApp, limits: RequestLimits, clock: Clock) -> None:
        self._app = app
        self._limits = limits
        self._clock = clock
        self._usual_bounds = RouteLimit(frozenset(), re.compile(""), limits.max_body_bytes)
        # Of short paths only: what a client sends must not fill the memory.
        self._known_bounds_of = lru_cache(maxsize=512)(self._bounds_of)
        self._watches = RequestWatches()
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Of several lines of one header the first counts.
        headers = {name: value for name, value in reversed(scope["headers"]) if name in _READ_HERE}
        is_counted = scope["path"] not in _NEVER_REFUSED
        max_open = self._limits.max_open
        if is_counted and self._open >= max_open:
            raise Overloaded(
                f"This replica has {max_open} requests open, its limit.", limit=max_open
            )
        self._open += is_counted
        state: RequestState = scope[STATE_KEY]
        watch = RequestWatch(self._watches, receive, state.response, scope.get(SERVER_CYCLE))
        try:
            await self._serve(headers, state, watch, scope, receive, send)
        except asyncio.CancelledError:
            if not watch.took_cancellation():
                raise
        finally:
            watch.stop()
            self._open -= is_counted

    async def _serve(
        self,
        headers: Mapping[bytes, bytes],
        state: RequestState,
        watch: RequestWatch,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Run the application within its deadline. `headers` are those of _READ_HERE."""
        method, path = scope["method"], scope["path"]
        find = self._known_bounds_of if len(path) <= _SHORT_PATH else self._bounds_of
        bounds = find(method, path)
        limit_s: float | None = None
        if not path.startswith(NO_DEADLINE):
            requested = headers.get(_TIMEOUT)
            usual_s = bounds.body_s or self._limits.timeout_s
            limit_s = usual_s if requested is None else self._parse_timeout(requested)
            state.deadline = Deadline(self._clock.monotonic() + limit_s, self._clock)
        body: _BoundedBody | None = None
        try:
            watch.begin(limit_s)
            state.lift_deadline = watch.lift
            if method in _BODYLESS:
                watch.has_body = True
            else:
                length = headers.get(_LENGTH, b"0")
                if not (length.isdigit() and len(length) <= MAX_DIGITS) or (
                    int(length) > bounds.max_bytes
                ):
                    raise _refuse_length(length, bounds)
                body = _BoundedBody(receive, bounds.max_bytes, bounds.too_large, limit_s, watch)
                receive = body
                if _CODING in headers and method != "OPTIONS":
                    scope, receive = decode_body(scope, body, body.max_bytes, body.too_large)
            await self._app(scope, receive, send)
        except (asyncio.CancelledError, TimeoutError) as error:
            was_cancelled = isinstance(error, asyncio.CancelledError)
            if limit_s is None or (was_cancelled and not watch.took_deadline()):
                raise
            raise _timed_out(body, limit_s) from None

    def _bounds_of(self, method: str, path: str) -> RouteLimit:
        for each in self._limits.routes:
            if method in each.methods and each.path.fullmatch(path):
                return each
        return self._usual_bounds

    def _parse_timeout(self, value: bytes) -> float:
        """Raises InvalidRequest."""
        max_timeout_s = self._limits.max_timeout_s
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds <= max_timeout_s:
            raise InvalidRequest(
                f"Header Mobula-Timeout must be a number of seconds, more than 0 and at most "
                f"{max_timeout_s:g}.",
                param="Mobula-Timeout",
                limit=max_timeout_s,
            )
        return seconds


@dataclass(slots=True)
class _BoundedBody:
    """The `receive` of one request: bounds the body in bytes.

    At the end of the body the time restarts: `limit_s` bounds the body, then the response; and
    `watch` looks at the client. Whoever receives further messages shares them with it.
    """

    receive: Receive
    max_bytes: int
    too_large: Callable[[int], PayloadTooLarge]
    limit_s: float | None
    watch: RequestWatch
    received: int = 0
    is_receiving: bool = True

    async def __call__(self) -> Message:
        message = await self.receive()
        if self.is_receiving and not message.get("more_body", False):
            self.is_receiving = False
            watch = self.watch
            if self.limit_s is not None:
                watch.ends_at = asyncio.get_running_loop().time() + self.limit_s + GRACE_S
            watch.has_body = message["type"] == "http.request"
            if watch.has_started:
                watch.ask_again()
        self.received += len(message.get("body", b""))
        if self.received > self.max_bytes:
            raise self.too_large(self.max_bytes)
        return message


def _refuse_length(length: bytes, bounds: RouteLimit) -> Problem:
    if length.isdigit() and len(length) <= MAX_DIGITS:
        return bounds.too_large(bounds.max_bytes)
    return InvalidRequest("Header Content-Length must be a whole number.")


def _timed_out(body: _BoundedBody | None, limit_s: float) -> Problem:
    if body is not None and body.is_receiving:
        return RequestTimeout(f"The body did not arrive within {limit_s:g} s.")
    return DeadlineExceeded("ingress", limit_s)
