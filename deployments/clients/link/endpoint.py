"""Links of a model replica: offers one through each call of `open_link`.

In: the replica's methods, calls of Serve. Out: a LinkOffer, and the end of the call with the link's
end. So Serve counts a link as a request, which holds its replica while it drains, and the death of
either side ends both.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable

from cluster.balancing.request_info import ReplicaGone
from cluster.runtime.background import create_detached_task
from deployments.clients.link.errors import LinkError
from deployments.clients.link.framing import VERSION
from deployments.clients.link.listener import ExpectedLink, LinkListener
from deployments.clients.link.methods import Handlers
from deployments.clients.link.options import LinkOptions
from deployments.clients.link.tls import server_context
from deployments.contracts.links import LinkOffer, OpenLinkRequest

_OPTIONS = LinkOptions()


class LinkEndpoint:
    """Used on one event loop. It listens from the first offer on."""

    def __init__(
        self,
        target: str,
        handlers: Handlers,
        options: LinkOptions = _OPTIONS,
        tls: Callable[[], ssl.SSLContext | None] = server_context,
    ) -> None:
        """`target` is the model's id. `tls` may raise OSError or ValueError."""
        self._target = target
        self._handlers = handlers
        self._options = options
        self._tls = tls
        self._listener: LinkListener | None = None
        self._port = 0
        self._secured = False
        self._starting = asyncio.Lock()
        self._offers = 0

    @property
    def offers(self) -> int:
        """Open calls of `open_link`: what Serve counts as requests that are none."""
        return self._offers

    async def offer(
        self, request: OpenLinkRequest, replica: str, host: str
    ) -> AsyncGenerator[LinkOffer | ReplicaGone, None]:
        """One offer, and the end once the link has ended. `replica` is this one, `host` its node's
        address. Raises OSError where it cannot listen there."""
        if request.replica != replica:
            yield ReplicaGone(request.replica)
            return
        self._offers += 1
        try:
            listener = await self._start(host)
            expected = listener.expect()
            try:
                yield self._offer(expected, host)
                connection = await asyncio.shield(expected.connected)
                await asyncio.shield(connection.closed)
            except LinkError:
                return
            finally:
                listener.withdraw(expected)
        finally:
            self._offers -= 1

    async def close(self) -> None:
        if self._listener is not None:
            await self._listener.close()

    def _offer(self, expected: ExpectedLink, host: str) -> LinkOffer:
        return LinkOffer(expected.id, expected.secret, host, self._port, VERSION, tls=self._secured)

    async def _start(self, host: str) -> LinkListener:
        async with self._starting:
            if self._listener is None:
                tls = self._tls()
                listener = LinkListener(self._target, self._handlers, self._options, tls)
                self._port = await create_detached_task(listener.start(host))
                self._listener, self._secured = listener, tls is not None
            return self._listener
