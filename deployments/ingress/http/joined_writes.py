"""The head of a response leaves with the first part of its body, in one packet.

uvicorn writes a head as soon as it is sent, and uvloop passes each write to the kernel at once: two
system calls, and two wake-ups of the peer, for every response. Here the head is held until the next
message, and what uvicorn writes for both is written together.

A test pins the attribute used of the object behind `send`, uvicorn 0.54's RequestResponseCycle:
`transport`, of which it uses `write`, `close` and `is_closing`.
"""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class JoinedWrites:
    """Stands directly inside the server, whose `send` it has to know."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle: Any = getattr(send, "__self__", None)
        if scope["type"] == "http" and hasattr(cycle, "transport"):
            send = _HeldHead(cycle, send)
        await self._app(scope, receive, send)


class _HeldHead:
    """The `send` of one response. A head without a body is never sent: the server answers then."""

    __slots__ = ("_cycle", "_head", "_send")

    def __init__(self, cycle: Any, send: Send) -> None:
        self._cycle = cycle
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
        cycle = self._cycle
        transport = cycle.transport
        held = cycle.transport = _HeldWrites(transport)
        try:
            await self._send(head)
            await self._send(message)
        finally:
            cycle.transport = transport
            held.flush()


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
