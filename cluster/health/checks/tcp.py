"""Whether something accepts connections at an address."""

import asyncio

from cluster.health.state import UP, CheckOutcome, down


class TcpCheck:
    """Connects to `host` and `port`, sends nothing, and closes."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def __call__(self) -> CheckOutcome:
        try:
            await open_and_close(self._host, self._port)
        except OSError as error:
            return down(f"cannot be connected to: {error.strerror or type(error).__name__}")
        return UP


async def open_and_close(host: str, port: int) -> None:
    """Raises OSError."""
    _, writer = await asyncio.open_connection(host, port)
    writer.transport.abort()
