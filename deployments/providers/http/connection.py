"""One HTTP/1.1 connection to an upstream, and the exchange that runs on it.

In: the bytes of a request. Out: an `Exchange` (exchange.py). Bodies and headers are bounded, coded
bodies are refused, and nothing is followed. httptools parses; the socket is asyncio's.
"""

import asyncio
from contextvars import Context
from typing import Final, cast

import httptools

from deployments.providers.http.exchange import Exchange, HttpFault
from deployments.providers.http.limits import HttpLimits

_IDENTITY = ("", "identity")
_NO_CONTEXT = Context()  # timers belong to no request


class HttpConnection(asyncio.Protocol):
    """One exchange at a time. `is_open` and without an exchange it may be used again."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
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
        assert self._transport is not None
        self._transport.write(request)
        return exchange

    def wait(self, until: float) -> "asyncio.Future[None]":
        """For the exchange, to await until `until` of the loop's clock."""
        if self._timer is None or self._timer_at > until:
            self._set_timer(until)
        return self._loop.create_future()

    def _set_timer(self, at: float) -> None:
        """One for all exchanges, as most of their waits end early: it looks again when it ends
        before the wait of that time."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._look, context=_NO_CONTEXT)

    def _look(self) -> None:
        self._timer = None
        exchange = self._exchange
        until = None if exchange is None else exchange.expires(self._loop.time())
        if until is not None:
            self._set_timer(until)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort(self) -> None:
        """Closes at once."""
        self.is_open, self._exchange = False, None
        self._stop_timer()
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
            assert self._parser is not None
            self._parser.feed_data(data)
        except HttpFault as fault:
            self._fail(fault)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # and faults of callbacks
            self._fail(self._fault or HttpFault("answered what is not HTTP/1.1"))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._stop_timer()
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
        exchange, parser = self._exchange, self._parser
        if exchange is None or parser is None:
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
        exchange, parser = self._exchange, self._parser
        if exchange is None or parser is None or self._interim:
            return
        self._exchange, self._used = None, True
        if self._paused:
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
