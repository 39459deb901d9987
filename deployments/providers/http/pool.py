"""The connections to one upstream, kept open between requests.

In: requests as bytes. Out: exchanges, whose head has arrived. A connection carries one exchange at
a time; the one used last is taken first. A connection keeps the address that was checked when it
was made. A request that a kept connection lost before any byte of an answer is sent once more.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from functools import partial

from deployments.providers.http.connection import HttpConnection
from deployments.providers.http.egress import Egress, Endpoint
from deployments.providers.http.exchange import Exchange, HttpFault
from deployments.providers.http.limits import HttpLimits

_NO_CONTEXT = Context()
# The end of an answer, all of which has been read, may take so long and so many bytes.
_END_S, _END_BYTES = 1.0, 4096


class PoolExhausted(Exception):
    """All connections are in use, and none was given back in time."""


class ConnectionPool:
    """Use it on one event loop."""

    def __init__(self, egress: Egress, endpoint: Endpoint, limits: HttpLimits) -> None:
        self.limits = limits
        self._egress = egress
        self._endpoint = endpoint
        self._idle: list[HttpConnection] = []
        self._draining: dict[HttpConnection, tuple[Exchange, asyncio.TimerHandle]] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.open = 0  # connections, those under way included
        self.made = self.reused = 0

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return len(self._idle)

    async def send(
        self,
        request: bytes,
        limit: int,
        until: float,
        first_byte_s: float,
        on_sent: Callable[[], object] | None = None,
    ) -> tuple[HttpConnection, Exchange]:
        """Sends a request and waits for the head of its answer, of at most `limit` bytes.

        `until` is a time of the loop's clock. `on_sent` is called once there is a connection. Give
        the connection back. Raises HttpFault, PoolExhausted, TimeoutError.
        """
        loop = asyncio.get_running_loop()
        connection = self._take_idle() or await self._connect(until)
        is_first = True
        if on_sent is not None:
            on_sent()
        while True:
            exchange = connection.send(request, limit)
            try:
                await exchange.head(min(until, loop.time() + first_byte_s))
                return connection, exchange
            except HttpFault as fault:
                self.release(connection, exchange)
                if not (fault.stale and is_first):
                    raise
            except BaseException:
                self.release(connection, exchange)
                raise
            connection, is_first = await self._connect(until), False

    def release(self, connection: HttpConnection, exchange: Exchange) -> None:
        """The exchange is over, or is given up: then its connection is closed."""
        if not exchange.ended:
            connection.abort()
        if not connection.is_open or self._is_closed:
            connection.abort()
            self._gone()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)
        self._wake()
        if self._sweep is None:
            self._schedule()

    def release_soon(self, connection: HttpConnection, exchange: Exchange) -> None:
        """All that is of interest has arrived. The end of the answer may still be on its way, as of
        a stream whose last event has come; the connection is kept if it comes soon."""
        if exchange.ended or not connection.is_open or self._is_closed:
            self.release(connection, exchange)
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(_END_S, self._drained, connection, context=_NO_CONTEXT)
        self._draining[connection] = (exchange, timer)
        exchange.drain(partial(self._look_at, connection), _END_BYTES)

    def close(self) -> None:
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in (*self._draining,):
            self._drained(connection)
        for connection in self._idle:
            connection.abort()
        self.open -= len(self._idle)
        self._idle.clear()

    def _look_at(self, connection: HttpConnection) -> None:
        exchange, _ = self._draining[connection]
        if exchange.ended or not connection.is_open:
            self._drained(connection)

    def _drained(self, connection: HttpConnection) -> None:
        """The end has come, or has not in time."""
        exchange, timer = self._draining.pop(connection)
        timer.cancel()
        exchange.on_change = None
        self.release(connection, exchange)

    def _take_idle(self) -> HttpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                self.reused += 1
                return connection
            self._gone()
        return None

    async def _connect(self, until: float) -> HttpConnection:
        loop = asyncio.get_running_loop()
        until = min(until, loop.time() + self.limits.connect_s)
        while self.open >= self.limits.connections:
            await self._wait(until)
            idle = self._take_idle()
            if idle is not None:
                return idle
        self.open += 1
        try:
            async with asyncio.timeout_at(until):
                connection = await self._egress.connect(self._endpoint, self.limits)
        except TimeoutError:
            self._gone()
            reason = "did not accept a connection in time"
            raise HttpFault(reason, unreachable=True) from None
        except BaseException:
            self._gone()
            raise
        self.made += 1
        return connection

    async def _wait(self, until: float) -> None:
        """For a connection, or for the room for one."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(until):
                await waiter
        except BaseException as error:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:
                self._wake()  # it was this one's turn: the next one's now
            if isinstance(error, TimeoutError):
                raise PoolExhausted from None
            raise

    def _gone(self) -> None:
        self.open -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(self.limits.keep_s, self._close_old, context=_NO_CONTEXT)

    def _close_old(self) -> None:
        oldest = asyncio.get_running_loop().time() - self.limits.keep_s
        kept = [each for each in self._idle if each.is_open and each.idle_since > oldest]
        for connection in self._idle:
            if connection not in kept:
                connection.abort()
                self._gone()
        self._idle = kept
        self._sweep = None
        if kept:
            self._schedule()
