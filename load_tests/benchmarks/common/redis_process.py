"""A Redis that can be killed, frozen and brought back on the same port. In memory only."""

import signal
import subprocess
import time
from types import TracebackType
from typing import Self

import psutil
import redis

from cluster.cli.requirements import require_program
from cluster.cli.test_servers import find_program
from load_tests.benchmarks.common.free_port import free_port

START_S = 10.0


class RedisProcess:
    """Use as a context manager. Raises MissingRequirement without redis-server."""

    def __init__(self) -> None:
        self._program = str(
            require_program("redis-server", "apt-get install redis-server", find_program)
        )
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Empty; returns once it answers."""
        options = ["--bind", "127.0.0.1", "--port", str(self._port), "--save", ""]
        command = [self._program, *options, "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="/")
        until = time.monotonic() + START_S
        while not self._answers():
            if time.monotonic() > until:
                raise RuntimeError(f"redis-server did not start within {START_S:g} s")
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds since it was started."""
        assert self._process is not None
        times = psutil.Process(self._process.pid).cpu_times()
        return 1e3 * float(times.user + times.system)

    def freeze(self, seconds: float) -> None:
        """Connections stay open and nothing answers for so long."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1.0) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False
