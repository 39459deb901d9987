"""Which form of a response a client gets: HEAD as GET without a body, 304, gzip (RFC 9110).

In: requests of all methods. Out: responses with a strong ETag and a content coding where they may
have one. Entity tags are computed after compression, so each coding of a response has a tag of its
own (section 8.8.3.3); HEAD is answered around both, so it has the headers of its GET.
"""

from hashlib import blake2b
from typing import Final

from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.ingress.context import request_state
from deployments.ingress.http.range_requests import matches_etag

MAX_TAGGED_BYTES = 1 << 20
FILES = "/files/"  # sent uncompressed: a byte range is one of the stored bytes
_HEAD_ROUTES = (FILES, "/api/v1/uploads/")  # paths whose routes answer HEAD themselves
_UNTAGGED = frozenset({"/health", "/healthz", "/readyz"})  # outdated as soon as they are sent
_TAGGED_TYPES = (b"application/json", b"text/html")
_UNCOMPRESSED_TYPES = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/x-ndjson")
# Headers of the body that a 304 leaves out (section 15.4.5).
_BODY_HEADERS: Final = frozenset(
    {b"content-length", b"content-type", b"content-encoding", b"content-language"}
)


class Representation:
    """HEAD and ETags for GET routes; gzip at level 5 where the client accepts it.

    HEAD: the application computes the response to a GET; its headers are sent. A stream ends after
    them (`is_head` of the request's state); at the first part of another body in several parts, the
    application is told that the client has disconnected.

    gzip: a response to a POST is not cached by others, so it passes unchanged where its client
    accepts no gzip; other responses carry `Vary`. Streams of events are never compressed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._gzip = GZipMiddleware(app, compresslevel=5, exclude_content_types=_UNCOMPRESSED_TYPES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        if method in ("GET", "HEAD"):
            if method == "HEAD" and not path.startswith(_HEAD_ROUTES):
                request_state(scope).is_head = True
                scope, receive, send = _as_get(scope, receive, send)
            if path not in _UNTAGGED:
                send = EtagResponder(scope, send)
        accepts_gzip = method != "POST"
        if not accepts_gzip:
            for name, value in scope["headers"]:
                if name == b"accept-encoding" and b"gzip" in value:
                    accepts_gzip = True
        may_compress = accepts_gzip and not path.startswith(FILES)
        app: ASGIApp = self._gzip if may_compress else self._app
        await app(scope, receive, send)


def _as_get(scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send]:
    has_ended = False

    async def receive_until_ended() -> Message:
        return {"type": "http.disconnect"} if has_ended else await receive()

    async def send_without_body(message: Message) -> None:
        nonlocal has_ended
        if message["type"] != "http.response.body":
            await send(message)
        elif not has_ended:
            has_ended = True
            await send({"type": "http.response.body", "body": b""})

    return {**scope, "method": "GET"}, receive_until_ended, send_without_body


class EtagResponder:
    """Adds a strong ETag to one response, or answers 304 where the client has the same bytes.

    Only to a 200 of JSON or HTML, of at most MAX_TAGGED_BYTES, that is sent in one part and has no
    tag yet. The response's head is delayed until its body is there.
    """

    __slots__ = ("_head", "_scope", "_send")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _may_be_tagged(message):
            self._head = message
            return
        head, self._head = self._head, None
        if head is not None:
            if _is_whole_body(message):
                head, message = self._tag(head, message)
            await self._send(head)
        await self._send(message)

    def _tag(self, head: Message, body: Message) -> tuple[Message, Message]:
        etag = f'"{blake2b(body["body"], digest_size=16).hexdigest()}"'
        headers = [*head["headers"], (b"etag", etag.encode())]
        if not matches_etag(_if_none_match(self._scope), etag):
            return {**head, "headers": headers}, body
        headers = [header for header in headers if header[0].lower() not in _BODY_HEADERS]
        return {**head, "status": 304, "headers": headers}, {**body, "body": b""}


def _may_be_tagged(head: Message) -> bool:
    headers = {name.lower(): value for name, value in head["headers"]}
    content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    has_type = content_type in _TAGGED_TYPES or content_type.endswith(b"+json")
    return head["status"] == 200 and b"etag" not in headers and has_type


def _is_whole_body(message: Message) -> bool:
    """An empty body is that of a HEAD whose GET was not computed."""
    return (
        message["type"] == "http.response.body"
        and not message.get("more_body", False)
        and 0 < len(message.get("body", b"")) <= MAX_TAGGED_BYTES
    )


def _if_none_match(scope: Scope) -> str:
    """The header may come in several lines, which make one list (section 5.3)."""
    values = [value for name, value in scope["headers"] if name == b"if-none-match"]
    return b",".join(values).decode("latin-1")
