"""uvicorn's HTTP server without sockets: bytes of requests in, bytes of responses out, in memory.

In: an ASGI application. Out: connections, each of which serves one request after the other. What
the kernel does for a socket is left out, and nothing else.
"""

import asyncio
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from cluster.ops.environment import CLIENT_ADDRESSES


class InMemoryServer:
    """`app` behind uvicorn as Ray Serve configures it. Create it on a running loop."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            lambda: app,
            factory=True,
            lifespan="off",
            access_log=False,
            log_config=None,
            forwarded_allow_ips=CLIENT_ADDRESSES["FORWARDED_ALLOW_IPS"],
        )
        config.load()
        self._config = config
        self._state = ServerState()

    def connect(self) -> "InMemoryConnection":
        return InMemoryConnection(self._config, self._state)


class InMemoryConnection(HttpToolsProtocol):
    """One connection; `request` one request after the other."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self._output = _Output()
        self._answered: asyncio.Future[None] | None = None
        self.connection_made(cast(asyncio.Transport, self._output))

    async def request(self, data: bytes) -> bytes:
        """The bytes of the response to the request `data`."""
        self._answered = self.loop.create_future()
        self.data_received(data)
        await self._answered
        return self._output.take()

    @property
    def writes(self) -> int:
        """Writes so far: system calls of a server with sockets."""
        return self._output.writes

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)


class _Output:
    """The part of a transport that the server uses."""

    def __init__(self) -> None:
        self.writes = 0
        self._parts: list[bytes] = []

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        self.writes += 1
        self._parts.append(data)

    def writelines(self, parts: list[bytes]) -> None:
        self.writes += 1
        self._parts += parts

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 8_000)}.get(name)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...
