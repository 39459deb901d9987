"""A response leaves in as few packets as it can: its head with the first part of its body.

uvicorn writes a head as soon as it is sent, and uvloop passes each write to the kernel at once: two
system calls, and two wake-ups of the peer, for every response. Here the head is held until the next
message. A response in one part is then put together here, and uvicorn, which checks each field by
regular expressions, is told that it has been sent; any other head is written by uvicorn, together
with the part that follows.

A test pins the attributes used of the object behind `send`, uvicorn 0.54's RequestResponseCycle,
and that the bytes are those that uvicorn would have written.
"""

from http import HTTPStatus
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# None of them may be in a field's value; line breaks are counted.
_CONTROLS: Final = bytes({*range(0x20), 0x7F} - set(b"\t\r\n"))
_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_FRAMING: Final = frozenset({b"connection", b"transfer-encoding"})
_MAX_NAMES = 256
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode()
    for status in HTTPStatus
    if status >= 200 and status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
}

SERVER_CYCLE = "mobula.cycle"  # of the scope: whose `disconnected` says that the client has left

Fields = list[tuple[bytes, bytes]]


class JoinedWrites:
    """Stands directly inside the server, whose `send` it has to know."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle: Any = getattr(send, "__self__", None)
        if scope["type"] != "http" or not hasattr(cycle, "transport"):
            await self._app(scope, receive, send)
            return
        scope[SERVER_CYCLE] = cycle
        try:
            await self._app(scope, receive, _HeldHead(cycle, send))
        finally:
            del scope[SERVER_CYCLE]  # it refers to the scope


class _HeldHead:
    """The `send` of one response. A head without a body is never sent: the server answers then."""

    __slots__ = ("_head", "_send", "cycle")

    def __init__(self, cycle: Any, send: Send) -> None:
        self.cycle = cycle
        self._send = send
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message
            return
        head, self._head = self._head, None
        if head is None:
            await self._send(message)
            return
        cycle = self.cycle
        if not message.get("more_body", False) and _write_whole(cycle, head, message):
            return
        transport = cycle.transport
        held = cycle.transport = _HeldWrites(transport)
        try:
            await self._send(head)
            await self._send(message)
        finally:
            cycle.transport = transport
            held.flush()


def _write_whole(cycle: Any, head: Message, message: Message) -> bool:
    """Whether a response in one part was written, and its cycle is complete. Not where the server
    has more to do for it than to write it: close the connection, wait, or refuse it."""
    if (
        cycle.response_started
        or cycle.disconnected
        or cycle.access_log
        or cycle.waiting_for_100_continue
        or not cycle.keep_alive
        or cycle.flow.write_paused
        or cycle.scope["method"] == "HEAD"
        or head["status"] not in _STATUS_LINES
    ):
        return False
    body = message.get("body", b"")
    written = _rendered(head["status"], [*cycle.default_headers, *head["headers"]], body)
    if written is None:
        return False
    cycle.response_started = True
    cycle.transport.write(written)
    cycle.response_complete = True
    cycle.message_event.set()
    cycle.on_response()
    return True


def _rendered(status: int, fields: Fields, body: bytes) -> bytes | None:
    """The response (RFC 9112); None where a field is not well-formed, or frames the body otherwise
    than by its true length."""
    try:
        lines = [_FIELD_STARTS[name] + value for name, value in fields]
    except KeyError:
        return _rendered(status, fields, body) if _learn_names(fields) else None
    named = dict(fields)
    if named.get(b"content-length") != b"%d" % len(body) or not _FRAMING.isdisjoint(named):
        return None
    if len(named) != len(fields) and [name for name, _ in fields].count(b"content-length") != 1:
        return None
    written = b"".join(lines)
    breaks = written.count(b"\r"), written.count(b"\n")
    if breaks != (len(lines), len(lines)) or len(written.translate(None, _CONTROLS)) != len(
        written
    ):
        return None
    return b"".join((_STATUS_LINES[status], written, b"\r\n\r\n", body))


# By the name of a field, in lower case: what stands before its value.
_FIELD_STARTS: dict[bytes, bytes] = {}


def _learn_names(fields: Fields) -> bool:
    """Whether all names are known now. They are those of our own code, which are few."""
    for name, _ in fields:
        if name not in _FIELD_STARTS:
            if not name or not _TOKEN.issuperset(name) or len(_FIELD_STARTS) >= _MAX_NAMES:
                return False
            _FIELD_STARTS[name] = b"\r\n" + name + b": "
    return True


class _HeldWrites:
    """What uvicorn takes for its transport while it writes a head and the part that follows."""

    __slots__ = ("_parts", "_transport")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._parts.append(data)

    def flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._transport.writelines(parts)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())
