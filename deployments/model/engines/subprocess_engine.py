"""An engine's own process.

In: messages for it. Out: its messages, on the event loop, one wake-up a batch. An engine whose
native code keeps Python's global lock (openvino-genai 2026.4 holds it through every `step()`) would
freeze the replica's event loop; in a process of its own it cannot. The child ends when its socket
closes, so it never outlives the replica.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any, cast

from deployments.model.engines.ipc_messages import Unpacker, pack

_BOOT = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "import importlib, socket; "
    "importlib.import_module(sys.argv[1]).main(socket.socket(fileno=int(sys.argv[2])))"
)
_EXIT_S = 5.0


class EngineProcess(asyncio.Protocol):
    """A child process running `module.main(socket)`. All methods belong to one event loop."""

    def __init__(
        self, on_message: Callable[[Any], None], on_exit: Callable[[int | None], None]
    ) -> None:
        """`on_exit` gets the exit code (None if not known yet) once, when the socket closes."""
        self._on_message = on_message
        self._on_exit = on_exit
        self._unpacker = Unpacker()
        self._outbox: list[Any] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._closed = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self, module: str) -> None:
        """Start the process with this one's import path. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(module, theirs.fileno())
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)

    def send(self, message: Any) -> None:
        """Queue a message; all messages of one turn of the loop leave in one write."""
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.append(message)

    async def stop(self) -> None:
        """Close the socket, wait for the process, and kill it if it does not exit."""
        if self._transport is not None:
            self._flush()
            self._transport.close()
            await self._closed.wait()
        if self._process is not None:
            await asyncio.to_thread(_reap, self._process)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        for message in self._unpacker.feed(data):
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()
        self._on_exit(self._process.poll() if self._process else None)

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        if outbox and self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack(outbox))


def _spawn(module: str, fd: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", _BOOT, module, str(fd), *sys.path]
    return subprocess.Popen(command, pass_fds=(fd,), stdin=subprocess.DEVNULL)


def _reap(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_EXIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
