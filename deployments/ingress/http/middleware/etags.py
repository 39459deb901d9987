"""Gives whole answers a strong ETag, and answers 304 to whoever holds the same bytes already.

It stands outside GZip and so sees the very bytes that are sent: each coding of an answer has a tag
of its own, as strong tags must (RFC 9110 section 8.8.3.3).
"""

import re
from hashlib import blake2b

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

MAX_BYTES = 1 << 20
_NEVER = frozenset({"/health", "/healthz", "/readyz"})  # what was true then proves nothing now
_KINDS = (b"application/json", b"text/html")
# Of the bytes that a 304 leaves out (RFC 9110 section 15.4.5).
_OF_THE_BODY = frozenset(
    {b"content-length", b"content-type", b"content-encoding", b"content-language"}
)
_TAG = re.compile(rb'(?:W/)?("[!\x23-\x7e\x80-\xff]*")')


class ETags:
    """For 200s to GET and HEAD of up to 1 MB of JSON or HTML that are sent in one piece.

    A stream, and an answer that has a tag of its own, pass as they are.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] not in ("GET", "HEAD")
            or scope["path"] in _NEVER
        ):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _EtagResponder(scope, send))


class _EtagResponder:
    """Holds the head of one answer back until its body has come."""

    __slots__ = ("_head", "_scope", "_send")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _may_have_a_tag(message):
            self._head = message
            return
        head, self._head = self._head, None
        if head is not None:
            if _is_whole(message):
                head, message = self._tagged(head, message)
            await self._send(head)
        await self._send(message)

    def _tagged(self, head: Message, body: Message) -> tuple[Message, Message]:
        tag = etag(body["body"])
        headers = [*head["headers"], (b"etag", tag)]
        if not _matches(_if_none_match(self._scope), tag):
            return {**head, "headers": headers}, body
        kept = [field for field in headers if field[0].lower() not in _OF_THE_BODY]
        return {**head, "status": 304, "headers": kept}, {**body, "body": b""}


def etag(body: bytes) -> bytes:
    """The strong entity tag of `body`, with its quotes."""
    return b'"%s"' % blake2b(body, digest_size=16).hexdigest().encode()


def _may_have_a_tag(head: Message) -> bool:
    fields = {name.lower(): value for name, value in head["headers"]}
    kind = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    is_json = kind.endswith(b"+json")
    return head["status"] == 200 and b"etag" not in fields and (kind in _KINDS or is_json)


def _is_whole(message: Message) -> bool:
    """An empty body is that of a HEAD whose GET nobody computed."""
    return (
        message["type"] == "http.response.body"
        and not message.get("more_body", False)
        and 0 < len(message.get("body", b"")) <= MAX_BYTES
    )


def _if_none_match(scope: Scope) -> bytes:
    return b",".join(value for name, value in scope["headers"] if name == b"if-none-match").strip()


def _matches(condition: bytes, tag: bytes) -> bool:
    """The weak comparison of RFC 9110 section 8.8.3.2; `*` is whatever there is."""
    return condition == b"*" or tag in _TAG.findall(condition)
