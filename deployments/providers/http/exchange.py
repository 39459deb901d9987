"""One request to an upstream and its answer, as it comes.

In: what a connection (connection.py) receives. Out: status, header fields, and the body, whole or
in pieces as they arrive, within the caller's times; or an HttpFault.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

_HIGH_WATER = 256 << 10  # bytes of a stream that wait for their reader before reading pauses


class Carrier(Protocol):
    """What an exchange needs of the connection that carries it."""

    def wait(self, until: float) -> "asyncio.Future[None]":
        """To be awaited, until `until` of the loop's clock."""
        ...

    def resume(self) -> None:
        """Read on, after a pause."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


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
        "_until",
        "_waiter",
        "_waiting",
        "ended",
        "headers",
        "on_change",
        "size",
        "status",
    )

    def __init__(self, connection: Carrier, limit: int) -> None:
        """`limit` is the most bytes of the answer, as they come over the wire."""
        self._connection = connection
        self._limit = limit
        self._pieces: list[bytes] = []
        self._waiting = 0  # bytes of the pieces
        self._waiter: asyncio.Future[None] | None = None
        self._until = 0.0  # of the last wait
        self._fault: HttpFault | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.size = 0
        self.ended = False
        self.on_change: Callable[[], None] | None = None

    async def head(self, until: float) -> None:
        """Waits for the status and the header fields."""
        while not self.status:
            await self._change(until)
            self._raise_fault()

    async def piece(self, until: float) -> bytes:
        """What has arrived of the body since the last call; empty at its end."""
        while not self._pieces and not self.ended:
            await self._change(until)
            self._raise_fault()
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

    def _change(self, until: float) -> "asyncio.Future[None]":
        """Done when something has arrived."""
        self._raise_fault()
        self._until = until
        waiter = self._waiter = self._connection.wait(until)
        return waiter

    def _raise_fault(self) -> None:
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

    def expires(self, now: float) -> float | None:
        """When the wait that is under way ends, whose time is over once that has passed; None:
        nobody waits."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            return None
        if now >= self._until:
            waiter.set_exception(TimeoutError())
            return None
        return self._until

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
