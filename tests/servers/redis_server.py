"""A private Redis on a free port: what the limiter's and the cache's tests stand on.

It keeps nothing on disk, so a restart comes back empty, and it can be frozen mid-flight.
"""

import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from tests.servers.process import ServerProcess, free_port, program


class RedisServer:
    """Use as a context manager. `url` stays the same through `restart`."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        """`options` are more of them, by their names on the command line."""
        self._program = program("redis-server")
        self._options = options or {}
        self._folder = tempfile.TemporaryDirectory(prefix="m-redis-")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: ServerProcess | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        assert self._process is not None, "Redis is stopped"
        return self._process.pid

    def stop(self) -> None:
        """End it, frozen or not; again is harmless."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """End it with no chance to say anything."""
        assert self._process is not None, "Redis is stopped"
        self._process.signal(signal.SIGKILL)
        self.stop()

    def restart(self) -> None:
        """Back on the same port, empty; also after `stop` or `kill`."""
        self.stop()
        self._start()

    def freeze(self) -> None:
        """Connections stay open and nothing answers, until `thaw`."""
        assert self._process is not None, "Redis is stopped"
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`; harmless when it is running or stopped."""
        if self._process is not None:
            self._process.signal(signal.SIGCONT)

    def flush(self) -> None:
        """Forget every key and script."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
            client.script_flush()

    def _start(self) -> None:
        folder = Path(self._folder.name)
        options = {
            "--bind": "127.0.0.1",
            "--port": str(self.port),
            "--dir": str(folder),
            "--save": "",
            "--appendonly": "no",
            "--loglevel": "warning",
            **self._options,
        }
        words = [word for pair in options.items() for word in pair]
        self._process = ServerProcess([self._program, *words], folder / "log")
        self._process.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1.0) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False
