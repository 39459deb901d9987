"""A server process that cannot outlive the tests, however they end.

Flows in: a command line. Flows out: the server's process id. A shell stands between: it holds the
read end of a pipe, and when the pipe closes (also because the tests were killed) it ends the
server. Knows no particular server.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cluster.cli.test_servers import find_program
from cluster.runtime.settings import in_ci

_GUARD = """
stop=$1; shift
"$@" </dev/null >&2 &
echo $!
read _
kill -s CONT $! 2>/dev/null
kill -s "$stop" $! 2>/dev/null
wait $!
"""
POLL_S = 0.01
START_S = 20.0


class ServerProcess:
    """A running server; `pid` is its own, not the shell's."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        stop: signal.Signals = signal.SIGTERM,
        user: str | None = None,
    ) -> None:
        """`stop` asks the server to end; `user` is who runs it (None: as the tests do)."""
        name = stop.name.removeprefix("SIG")
        with log.open("ab") as errors:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "guard", name, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                cwd="/",
                start_new_session=True,  # ^C is for the tests, which then end the server
            )
        self._log = log
        assert self._guard.stdout is not None
        self.pid = int(self._guard.stdout.readline())

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self) -> None:
        """End it in good order and wait until it is gone. Again is harmless."""
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            self._guard.stdin.close()
        self._guard.wait(timeout=START_S)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Poll `ready`; raises RuntimeError with the server's log when it does not come."""
        until = time.monotonic() + START_S
        while not ready():
            if time.monotonic() > until:
                raise RuntimeError(f"the server did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(POLL_S)


def wait_until(ready: Callable[[], bool], awaited: str) -> None:
    """Poll `ready`; raises TimeoutError with what was awaited."""
    until = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {START_S:g} s for {awaited}")
        time.sleep(POLL_S)


def program(name: str) -> str:
    """The program's path; skips the test without it, or fails where nothing may be missing."""
    path = find_program(name)
    if path is not None:
        return str(path)
    reason = f"{name} is not installed"
    if in_ci():
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
