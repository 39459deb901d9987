"""The link to one replica: opened through Serve, connected, and opened anew when it ends.

In: a way to open a link. Out: the connection, while it is up. One that cannot be opened is tried
again, at growing intervals, or at once where a sign of life is wanted.
"""

import asyncio
import logging
import secrets
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from cluster.runtime.background import create_detached_task
from cluster.runtime.problems import Problem
from deployments.clients.link.client import ClientConnection
from deployments.clients.link.client_state import ClientState
from deployments.clients.link.errors import LinkClosed, UnsupportedVersion
from deployments.clients.link.framing import VERSION
from deployments.clients.link.options import LinkOptions
from deployments.clients.link.tls import client_context
from deployments.contracts.links import LinkOffer

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 30.0
_STEADY_S = 10.0  # a link that has lived so long may be opened anew without a longer pause

logger = logging.getLogger("mobula.ingress")


class LinkOpening(Protocol):
    """A call through which a link is opened, and which is open as long as the link."""

    async def offer(self) -> LinkOffer:
        """Raises Problems."""
        ...

    async def ended(self) -> None:
        """Returns when the call has ended, in whatever way."""
        ...

    def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Of all links to one deployment. `target` is the model's id. `open_link` calls a replica by
    its name. `tls` gives the context for a listener that speaks TLS; it may raise OSError.
    """

    target: str
    open_link: Callable[[str], LinkOpening]
    options: LinkOptions = LinkOptions()
    tls: Callable[[], ssl.SSLContext | None] = client_context


class ReplicaLink:
    """`connection` is None while the link is down. Create it on the loop that uses it."""

    def __init__(self, replica: str, settings: LinkSettings) -> None:
        self.connection: ClientConnection | None = None
        self.opened = self.failed = 0
        self._replica = replica
        self._settings = settings
        self._random = Random()
        self._retired = asyncio.Event()
        self._wanted = asyncio.Event()  # no pause before the next attempt
        self._tried = asyncio.Event()  # an attempt has ended, in whatever way
        self._keeper = create_detached_task(self._keep(), name=f"link-{replica}")

    def retire(self) -> "asyncio.Task[None]":
        """The replica is not listed any more: end the link with its last call. Returns the task
        that does it."""
        self._retired.set()
        self._wanted.set()
        return self._keeper

    async def close(self) -> None:
        """End the link, and the calls over it."""
        self._keeper.cancel()
        await asyncio.wait((self._keeper,))

    async def is_alive(self, timeout_s: float) -> bool:
        """Whether the replica gives a sign of life within the time; opens the link if need be."""
        if self.connection is not None and await self.connection.ping(timeout_s):
            return True
        self._tried.clear()
        self._wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._tried.wait()
        return self.connection is not None and self.connection.alive

    async def _keep(self) -> None:
        pause_s, last_reason = _FIRST_PAUSE_S, ""
        now = asyncio.get_running_loop().time
        while not self._retired.is_set():
            self._wanted.clear()
            began = now()
            reason = await self._hold()
            self._tried.set()
            if self._retired.is_set():
                return
            if reason:
                self.failed += 1
                if reason != last_reason:
                    self._log(logging.WARNING, "handles carry the calls of a replica", reason)
            elif now() - began >= _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            last_reason = reason
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s * self._random.uniform(0.75, 1.25)):
                    await self._wanted.wait()
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    async def _hold(self) -> str:
        """One link, from its opening to its end. Returns why it could not be opened, or empty."""
        options = self._settings.options
        opening: LinkOpening | None = None
        try:
            opening = self._settings.open_link(self._replica)
            async with asyncio.timeout(options.setup_s):
                connection = await self._connect(await opening.offer())
        except TimeoutError:
            return f"the link was not open within {options.setup_s:g} s"
        except Problem as problem:
            return problem.detail
        except Exception as error:  # noqa: BLE001 - Ray's are many; the reason is logged
            return f"{type(error).__name__}: {error}"
        else:
            await self._use(connection, opening)
            return ""
        finally:
            if opening is not None:
                opening.cancel()

    async def _use(self, connection: ClientConnection, opening: LinkOpening) -> None:
        """Until the link or its call has ended, or it was retired and no call is open."""
        self.opened += 1
        self.connection = connection
        self._tried.set()
        watchers: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(opening.ended()),
            asyncio.ensure_future(self._wait_retired(connection)),
        ]
        watched: list[asyncio.Future[Any]] = [connection.closed, *watchers]
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if not self._retired.is_set():
                ended = connection.closed.done() and connection.closed.result()
                reason = ended or "the call that opened it has ended"
                self._log(logging.INFO, "the link to a replica has ended", str(reason))
        finally:
            self.connection = None
            connection.close()
            for watcher in watchers:
                watcher.cancel()

    async def _wait_retired(self, connection: ClientConnection) -> None:
        await self._retired.wait()
        await connection.idle.wait()

    async def _connect(self, offer: LinkOffer) -> ClientConnection:
        """Raises LinkError, OSError."""
        settings = self._settings
        if offer.version != VERSION:
            raise UnsupportedVersion(f"the replica's frames have version {offer.version}")
        tls = settings.tls() if offer.tls else None
        if offer.tls and tls is None:
            raise LinkClosed("the replica speaks TLS, which is not configured here")
        loop = asyncio.get_running_loop()
        nonce = secrets.token_bytes(16)
        state = ClientState(offer.link, offer.secret, nonce, settings.options, loop.time())
        connection = ClientConnection(state, settings.target)
        try:
            await loop.create_connection(
                lambda: connection,
                offer.host,
                offer.port,
                ssl=tls,
                server_hostname=offer.host if tls is not None else None,
            )
            await asyncio.shield(connection.welcomed)
        except BaseException:
            connection.close()
            raise
        return connection

    def _log(self, level: int, message: str, reason: str) -> None:
        extra = {"model": self._settings.target, "replica": self._replica, "reason": reason[:500]}
        logger.log(level, "%s: %s", message, reason[:500], extra=extra)
