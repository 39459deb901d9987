"""A confined child that answers many requests: a model is loaded once, and used for hours.

A request is a line of JSON and raw bytes, on the child's stdin; an answer is a line of JSON on its
stdout. All calls come from one thread, which starts the child and has to outlive it: the kernel
kills the child when that thread ends. The child is not trusted: answers are bounded and decoded as
plain JSON.
"""

import os
import selectors
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from cluster.runtime.clock import Clock, SystemClock
from deployments.sandbox.confine import NOT_CONFINED
from deployments.sandbox.errors import SandboxFailed, SandboxUnavailable
from deployments.sandbox.limits import SandboxedCommand
from deployments.sandbox.runner import environment, launch_argv

MAX_ANSWER = 4 << 20
_CHUNK = 256 << 10
_LAST_WORDS = 4096  # of the child's stderr, for the log
_SYSTEM_CLOCK = SystemClock()


class ChildEnded(SandboxFailed):
    """The child ended or fell silent before it answered; another one may fare better. `timed_out`:
    it did not answer in time, and was killed."""

    slug, title = "media-process-ended", "A media process ended before it answered"

    def __init__(self, reason: str, timed_out: bool = False) -> None:
        super().__init__()
        self.timed_out = timed_out
        self.add_note(reason)


class ResidentChild:
    """Started by its constructor; the command's `folder` gets the file of its stderr. Of the limits
    `wall_s` is the caller's affair. Raises SandboxFailed if it cannot start."""

    def __init__(self, command: SandboxedCommand, clock: Clock = _SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._errors = command.folder / "stderr"
        self._received = bytearray()
        with self._errors.open("wb") as errors:
            try:
                self._process = subprocess.Popen(
                    launch_argv(command),
                    cwd=command.folder,
                    env=environment(command),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,
                )
            except OSError as error:
                raise SandboxFailed from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        for fd in (self._stdin, self._stdout):
            os.set_blocking(fd, False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def request(self, header: dict[str, Any], data: bytes, timeout_s: float) -> dict[str, Any]:
        """The child's answer. Raises ChildEnded, after which the child is gone, and
        SandboxUnavailable (this kernel cannot confine it, and it must)."""
        self.send(header, data, timeout_s)
        return self.receive(timeout_s)

    def send(self, header: dict[str, Any], data: bytes, timeout_s: float) -> None:
        until = self._clock.monotonic() + timeout_s
        message = memoryview(msgspec.json.encode(header) + b"\n" + data)
        while message:
            self._wait(self._stdin, selectors.EVENT_WRITE, until)
            try:
                message = message[os.write(self._stdin, message[:_CHUNK]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._ended(str(error)) from error

    def receive(self, timeout_s: float) -> dict[str, Any]:
        until = self._clock.monotonic() + timeout_s
        while b"\n" not in self._received:
            self._wait(self._stdout, selectors.EVENT_READ, until)
            with suppress(BlockingIOError):
                chunk = os.read(self._stdout, _CHUNK)
                if not chunk:
                    raise self._ended("no answer")
                self._received += chunk
            if len(self._received) > MAX_ANSWER:
                raise self._ended("an answer without end")
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        return self._decode(line)

    def kill(self) -> None:
        """Ends it with everything that it started; harmless if it has ended."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _wait(self, fd: int, event: int, until: float) -> None:
        remaining_s = until - self._clock.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(fd, event)
            if remaining_s <= 0 or not selector.select(remaining_s):
                raise self._ended("no answer in time", timed_out=True)

    def _decode(self, line: bytes) -> dict[str, Any]:
        try:
            answer = msgspec.json.decode(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._ended("an answer that is no JSON object")
        return answer

    def _ended(self, reason: str, *, timed_out: bool = False) -> SandboxFailed | SandboxUnavailable:
        """Kills it, and says why."""
        if not timed_out:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
        self.kill()
        last_words = _end_of(self._errors)
        if self._process.returncode == NOT_CONFINED and last_words.startswith("launcher: "):
            return SandboxUnavailable(last_words.removeprefix("launcher: ").strip())
        status = self._process.returncode
        return ChildEnded(f"{reason}; status {status}\n{last_words}", timed_out)


def _end_of(file: Path) -> str:
    """The folder is the child's own: links in it are not followed."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(fd, "rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        opened.seek(max(0, size - _LAST_WORDS))
        return opened.read(_LAST_WORDS).decode(errors="replace")
