"""One end of a link on an asyncio transport: bytes in and out, the heartbeat, the end.

In: a LinkState, and what asyncio tells its protocol. Out: the state's messages to the subclass, one
write for all frames of a turn of the event loop.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

from deployments.clients.link import frames
from deployments.clients.link.errors import LinkClosed, LinkError, PeerSilent
from deployments.clients.link.state import LinkState

_GOODBYE_S = 1.0  # for the last bytes, if the peer does not read
_FIRST = asyncio.FIRST_COMPLETED


class LinkConnection(asyncio.Protocol):
    """Create it on the event loop that runs it, in the context of no request.

    Subclasses implement `_handle` and `_ended`.
    """

    def __init__(self, state: LinkState) -> None:
        self.closed: asyncio.Future[LinkError] = asyncio.get_running_loop().create_future()
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._pings: dict[int, asyncio.Future[None]] = {}
        self._beat: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self.alive:  # closed during the handshake of TLS
            self._transport.abort()
            return
        self._schedule_flush()
        self._beat = self._loop.call_later(self._state.options.ping_s, self._tick)

    def data_received(self, data: bytes) -> None:
        state = self._state
        messages = state.receive(data, self._loop.time())
        if messages:
            self._handle(messages)
        for number, answered in self._pings.items():
            if number <= state.pong and not answered.done():
                answered.set_result(None)
        self._after_input()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        reason = LinkClosed(f"the connection was lost: {error or 'the peer has closed it'}")
        self._finish(self._state.failure or reason)

    # Called by owners.

    @property
    def alive(self) -> bool:
        return self._state.failure is None and not self.closed.done()

    def close(self, reason: str = "") -> None:
        """End the link; open calls end with it."""
        self._state.close(reason)
        self._after_input()

    async def ping(self, timeout_s: float) -> bool:
        """Whether the peer gives a sign of life within the time."""
        if not self.alive or not self._state.ready:
            return False
        number = self._state.ping()
        self._schedule_flush()
        answered: asyncio.Future[None] = self._loop.create_future()
        self._pings[number] = answered
        try:
            await asyncio.wait((answered, self.closed), timeout=timeout_s, return_when=_FIRST)
        finally:
            del self._pings[number]
        return answered.done()

    # For subclasses.

    def _handle(self, messages: Sequence[frames.Message]) -> None:
        raise NotImplementedError

    def _ended(self, error: LinkError) -> None:
        """The link is over; called once."""
        raise NotImplementedError

    def _schedule_flush(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    # Private.

    def _flush(self) -> None:
        self._flushing = False
        data = self._state.take_output()
        transport = self._transport
        if not data or transport is None or transport.is_closing():
            return
        transport.write(data)
        unsent = transport.get_write_buffer_size()
        if unsent > self._state.options.max_unsent:
            self._state.fail(PeerSilent(f"the peer does not read: {unsent} bytes wait for it"))
            self._after_input()

    def _tick(self) -> None:
        self._beat = None
        self._state.tick(self._loop.time())
        self._after_tick()
        self._after_input()
        if self.alive:
            self._beat = self._loop.call_later(self._state.options.ping_s, self._tick)

    def _after_tick(self) -> None:
        """More to do with each heartbeat."""

    def _after_input(self) -> None:
        failure = self._state.failure
        if failure is None:
            if self._state.has_output:
                self._schedule_flush()
            return
        transport = self._transport
        if transport is not None and not transport.is_closing():
            data = self._state.take_output()
            if data:
                transport.write(data)
            if isinstance(failure, PeerSilent):
                transport.abort()
            else:
                transport.close()
                self._loop.call_later(_GOODBYE_S, transport.abort)
        self._finish(failure)

    def _finish(self, error: LinkError) -> None:
        if self.closed.done():
            return
        if self._state.failure is None:
            self._state.failure = error
        self.closed.set_result(error)
        self._writable.set()
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        self._ended(error)
