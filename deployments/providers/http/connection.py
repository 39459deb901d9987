"""One HTTP/1.1 connection to an upstream, and the exchange that runs on it.

In: the bytes of a request. Out: an `Exchange`: status, header fields, and the body, whole or in
pieces as they arrive. Bodies and headers are bounded, coded bodies are refused, and nothing is
followed. httptools parses; the socket is asyncio's.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Final, cast

import httptools

from deployments.providers.http.limits import HttpLimits

_HIGH_WATER = 256 << 10  # bytes of a stream that wait for their reader before reading pauses
_IDENTITY = ("", "identity")
_NO_CONTEXT = Context()  # timers belong to no request


def _expire(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class HttpFault(Exception):
    """The exchange failed. `stale`: the connection had been used before, and ended before any byte
    of the answer came, so that the request may be sent again. `unreachable`: there was no
    connection to send it on. `reason` completes "the provider ..."; it quotes nothing that was
    received."""

    def __init__(self, reason: str, *, stale: bool = False, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stale = stale
        self.unreachable = unreachable


class Exchange:
    """One request and its answer: await `head`, then `piece` until it is empty.

    `until` is a time of the loop's clock. Both raise HttpFault, and TimeoutError by then.
    """

    __slots__ = (
        "_connection",
        "_fault",
        "_limit",
        "_pieces",
        "_waiter",
        "_waiting",
        "ended",
        "headers",
        "on_change",
        "size",
        "status",
    )

    def __init__(self, connection: "HttpConnection", limit: int) -> None:
        """`limit` is the most bytes of the answer, as they come over the wire."""
        self._connection = connection
        self._limit = limit
        self._pieces: list[bytes] = []
        self._waiting = 0  # bytes of the pieces
        self._waiter: asyncio.Future[None] | None = None
        self._fault: HttpFault | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.size = 0
        self.ended = False
        self.on_change: Callable[[], None] | None = None

    async def head(self, until: float) -> None:
        """Waits for the status and the header fields."""
        while not self.status:
            await self._wait(until)

    async def piece(self, until: float) -> bytes:
        """What has arrived of the body since the last call; empty at its end."""
        while not self._pieces and not self.ended:
            await self._wait(until)
        return self.take()

    def take(self) -> bytes:
        """What has arrived of the body since the last call, without waiting."""
        pieces = self._pieces
        joined = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces, self._waiting = [], 0
        if not self.ended:
            self._connection.resume()
        return joined

    def close(self) -> None:
        """Ends it; the connection is closed unless the answer has come to its end."""
        if not self.ended:
            self._connection.abort()

    def drain(self, on_change: Callable[[], None], most: int) -> None:
        """The rest is of no interest: `on_change` is called when something arrives, which may be
        `most` bytes more, and when the answer ends or fails."""
        self._limit = self.size + most
        self.on_change = on_change
        self.take()

    async def _wait(self, until: float) -> None:
        if self._fault is not None:
            raise self._fault
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = loop.call_at(until, _expire, waiter, context=_NO_CONTEXT)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None
        if self._fault is not None:
            raise self._fault

    # Called by the connection.

    def wake(self) -> None:
        if self.on_change is not None:
            self.take()
            self.on_change()
            return
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def fail(self, fault: HttpFault) -> None:
        if not self.ended and self._fault is None:
            self._fault = fault
            self.wake()

    def count(self, size: int) -> None:
        """Raises HttpFault once the answer is larger than its limit."""
        self.size += size
        if self.size > self._limit:
            raise HttpFault(f"answered more than {self._limit} bytes")

    def add(self, piece: bytes) -> bool:
        """Returns whether reading should pause, as nobody takes the pieces."""
        self._pieces.append(piece)
        self._waiting += len(piece)
        return self._waiting > _HIGH_WATER


class HttpConnection(asyncio.Protocol):
    """One exchange at a time. `is_open` and without an exchange it may be used again."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._exchange: Exchange | None = None
        self._head_size = 0
        self._used = False
        self._paused = False
        self._until_eof = self._interim = False
        self._fault: HttpFault | None = None
        self.is_open = False
        self.idle_since = 0.0

    def send(self, request: bytes, limit: int) -> Exchange:
        """Sends a whole request. `limit` is the most bytes of the answer."""
        exchange = self._exchange = Exchange(self, limit)
        self._parser = httptools.HttpResponseParser(self)
        self._head_size = 0
        self._until_eof = self._interim = False
        cast(asyncio.Transport, self._transport).write(request)
        return exchange

    def abort(self) -> None:
        """Closes at once."""
        self.is_open, self._exchange = False, None
        if self._transport is not None:
            self._transport.abort()

    def resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.abort()  # bytes that no request has asked for
            return
        try:
            if not exchange.status:
                self._count_head(len(data))
            exchange.count(len(data))
            cast(httptools.HttpResponseParser, self._parser).feed_data(data)
        except HttpFault as fault:
            self._fail(fault)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # and faults of callbacks
            self._fail(self._fault or HttpFault("answered what is not HTTP/1.1"))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if self._until_eof and error is None:
            exchange.ended = True
            exchange.wake()
            return
        unanswered = exchange.size == 0
        what = "closed the connection without an answer" if unanswered else "cut its answer off"
        exchange.fail(HttpFault(what, stale=unanswered and self._used))

    # httptools

    def on_message_begin(self) -> None:
        if self._exchange is None:
            self.abort()  # more than the answer

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._exchange is not None and not self._exchange.status:  # else it is a trailer
            key = name.decode("latin-1").lower()
            self._exchange.headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        parser = cast(httptools.HttpResponseParser, self._parser)
        if exchange is None:
            return
        status = parser.get_status_code()
        self._interim = status < 200
        if self._interim:
            exchange.headers.clear()
            return
        headers = exchange.headers
        if headers.get("content-encoding", "").strip().lower() not in _IDENTITY:
            self._refuse(HttpFault("answered with a content coding that was not asked for"))
        has_end = "content-length" in headers or "transfer-encoding" in headers
        self._until_eof = not has_end and status not in (204, 304)
        exchange.status = status
        exchange.wake()

    def on_body(self, piece: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if exchange.add(piece) and not self._paused:
            self._paused = True
            cast(asyncio.Transport, self._transport).pause_reading()
        exchange.wake()

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is None or self._interim:
            return
        parser = cast(httptools.HttpResponseParser, self._parser)
        self._exchange, self._used = None, True
        self.resume()
        if not parser.should_keep_alive() or self._until_eof:
            self.is_open = False
            cast(asyncio.Transport, self._transport).close()
        exchange.ended = True
        exchange.wake()

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._limits.max_head_bytes + _FIRST_READ:
            raise HttpFault("sent too many bytes of header fields")

    def _refuse(self, fault: HttpFault) -> None:
        """Within a callback of the parser, which makes its own error of it."""
        self._fault = fault
        raise fault

    def _fail(self, fault: HttpFault) -> None:
        exchange = self._exchange
        self.abort()
        if exchange is not None:
            exchange.fail(fault)


_FIRST_READ: Final = 256 << 10  # asyncio reads so much at once, part of it may be the body
