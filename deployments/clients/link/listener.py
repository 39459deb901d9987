"""The listener of a model replica: one port for the links of all ingress replicas.

In: links that were offered through Serve, connections. Out: a connection for each link whose client
has proved to have its secret. Everybody else's connections end soon, and tell nothing.
"""

import asyncio
import secrets
import ssl

from deployments.clients.link.errors import LinkClosed
from deployments.clients.link.methods import Handlers
from deployments.clients.link.options import LinkOptions
from deployments.clients.link.server import ServerConnection
from deployments.clients.link.server_state import ServerState

_MAX_STRANGERS = 128  # connections that have not shown a secret yet


class ExpectedLink:
    """A link that was offered. `connected` is done once its client is there, or was too late."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)
        self.secret = secrets.token_bytes(32)
        self.connected: asyncio.Future[ServerConnection] = (
            asyncio.get_running_loop().create_future()
        )


class LinkListener:
    """Create and start it in the context of no request: connections inherit the context."""

    def __init__(
        self,
        target: str,
        handlers: Handlers,
        options: LinkOptions,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`target` is the model's id, `handlers` as in server.py."""
        self._target = target
        self._handlers = handlers
        self._methods = [method.name for method in handlers]
        self._options = options
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._expected: dict[str, ExpectedLink] = {}
        self._strangers: dict[ServerConnection, asyncio.TimerHandle] = {}
        self._connections: set[ServerConnection] = set()

    @property
    def links(self) -> int:
        """Links that are up."""
        return len(self._connections)

    @property
    def open_calls(self) -> int:
        return sum(connection.open_calls for connection in self._connections)

    async def start(self, host: str) -> int:
        """Listen on a free port of `host`; returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        limit_s = None if self._tls is None else self._options.setup_s
        self._server = await loop.create_server(
            self._connection, host, 0, ssl=self._tls, ssl_handshake_timeout=limit_s
        )
        return int(self._server.sockets[0].getsockname()[1])

    def expect(self) -> ExpectedLink:
        """A new link, to be connected within `setup_s`."""
        link = ExpectedLink()
        self._expected[link.id] = link
        asyncio.get_running_loop().call_later(self._options.setup_s, self._expire, link)
        return link

    def withdraw(self, link: ExpectedLink) -> None:
        """The offer, or the link that came of it, has ended."""
        self._expected.pop(link.id, None)
        if not link.connected.done():
            link.connected.cancel()
        elif not link.connected.cancelled() and link.connected.exception() is None:
            link.connected.result().close("the call that opened the link has ended")

    async def close(self) -> None:
        """End all links."""
        if self._server is not None:
            self._server.close()
        for connection in (*self._connections, *self._strangers):
            connection.close("the replica ends")

    def _expire(self, link: ExpectedLink) -> None:
        self._expected.pop(link.id, None)
        if not link.connected.done():
            link.connected.set_exception(LinkClosed("the client of the link did not connect"))
            link.connected.exception()  # it may have no waiter any more

    def _connection(self) -> ServerConnection:
        loop = asyncio.get_running_loop()
        state = ServerState(self._secret, self._methods, self._options, loop.time())
        connection = ServerConnection(
            state, self._target, self._handlers, self._welcomed, self._ended
        )
        late = loop.call_later(self._options.setup_s, connection.close, "no Hello came")
        self._strangers[connection] = late
        if len(self._strangers) > _MAX_STRANGERS:
            next(iter(self._strangers)).close("too many connections without a Hello")
        return connection

    def _secret(self, link: str) -> bytes | None:
        """The secret of a link that is expected. A wrong proof does not end the expectation, as
        anybody could give one."""
        expectation = self._expected.get(link)
        return None if expectation is None else expectation.secret

    def _welcomed(self, connection: ServerConnection, link: str) -> None:
        self._strangers.pop(connection).cancel()
        self._connections.add(connection)
        expectation = self._expected.pop(link, None)
        if expectation is not None and not expectation.connected.done():
            expectation.connected.set_result(connection)

    def _ended(self, connection: ServerConnection) -> None:
        late = self._strangers.pop(connection, None)
        if late is not None:
            late.cancel()
        self._connections.discard(connection)
