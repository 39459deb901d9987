"""Runs one confined child to its end: a command in, its result or a typed problem out.

`run` blocks. It starts the child and waits for it in the same thread, because the kernel kills the
child when the thread that started it ends (PR_SET_PDEATHSIG), so also when this process is killed.
In every case, no process of the child's group is left when `run` returns or raises.
"""

import os
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO

from cluster.runtime.clock import Clock, SystemClock
from deployments.sandbox.binary import default_readable, default_writable, python_binary
from deployments.sandbox.errors import Cancelled, MediaTimeout, SandboxFailed
from deployments.sandbox.exit_status import problem_from_exit
from deployments.sandbox.limits import CompletedChild, SandboxedCommand

CONFINE_SCRIPT = Path(__file__).with_name("confine.py")
MAX_OUT = 1 << 20
MAX_ERR = 16 << 10
MAX_LINE = 64 << 10
_TICK_S = 0.1
_SYSTEM_CLOCK = SystemClock()


def run(command: SandboxedCommand, clock: Clock = _SYSTEM_CLOCK) -> CompletedChild:
    """Runs `command` to its end.

    Raises MediaTimeout (wall time), MediaTooLarge (memory_bytes, cpu_s or output_bytes),
    MediaDamaged (a crash, or an exit status other than 0), Cancelled (`cancel` returned True),
    ScratchFull (the disk is full), SandboxUnavailable (this kernel cannot confine a child, and it
    must), SandboxFailed (could not start, or was killed from outside). The child's stderr is a note
    on the problem, for the log.
    """
    with _child(command) as process:
        monitor = _ChildMonitor(command, process, clock)
        monitor.wait_for_end()
        return problem_from_exit(monitor.reap(), command)


@contextmanager
def _child(command: SandboxedCommand) -> Iterator["subprocess.Popen[bytes]"]:
    with _input(command.stdin) as stdin:
        try:
            process = subprocess.Popen(
                launch_argv(command),
                cwd=command.folder,
                env=environment(command),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxFailed() from error
    try:
        yield process
    finally:
        _kill_and_reap(process)


@contextmanager
def _input(data: bytes | None) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() if data else Path(os.devnull).open("rb") as file:
        if data:
            file.write(data)
            file.seek(0)
        yield file


def launch_argv(command: SandboxedCommand) -> list[str]:
    """The confining program, its arguments, and the command."""
    limits = command.limits
    readable = (*default_readable(), str(Path(command.argv[0]).parent), *map(str, command.readable))
    folder = str(command.folder.resolve())
    writable = (*default_writable(), folder, *map(str, command.writable))
    numbers = (
        os.getpid(),
        limits.memory_bytes or 0,
        limits.cpu_s,
        limits.output_bytes,
        limits.files,
        int(limits.forks),
        int(is_required()),
    )
    paths = ("\n".join(readable), "\n".join(writable))
    python = (python_binary(), "-I", "-S", str(CONFINE_SCRIPT))
    return [*python, *map(str, numbers), *paths, *command.argv]


@cache
def is_required() -> bool:
    """Whether a child must not start on a kernel that cannot confine it (`video.sandbox`)."""
    from cluster.runtime.settings import (
        Settings,  # children import this module, and need no settings
    )

    return Settings().video_sandbox == "required"


def environment(command: SandboxedCommand) -> dict[str, str]:
    """The whole environment of a child: nothing of ours."""
    folder = str(command.folder.resolve())
    variables = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": folder, "TMPDIR": folder}
    variables["MALLOC_ARENA_MAX"] = "4"  # each arena takes 64 MiB of address space
    return {**variables, **command.environment}


def _kill_and_reap(process: "subprocess.Popen[bytes]") -> None:
    """Kills the whole group. Until it is reaped, the child's number cannot be reused."""
    if process.returncode is None:
        _kill_group(process.pid)
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class _ChildMonitor:
    """Reads the child's output until it ends, is cancelled, or runs out of time."""

    def __init__(
        self, command: SandboxedCommand, process: "subprocess.Popen[bytes]", clock: Clock
    ) -> None:
        self._command, self._process, self._clock = command, process, clock
        self._began = clock.monotonic()
        self._out, self._err, self._line = bytearray(), bytearray(), bytearray()

    def wait_for_end(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        with (
            selectors.DefaultSelector() as selector,
            _end_notification(self._process.pid) as end_fd,
        ):
            self._register(selector, self._process.stdout, self._read_stdout)
            self._register(selector, self._process.stderr, self._read_stderr)
            selector.register(end_fd, selectors.EVENT_READ)
            while True:
                self._check()
                ready = selector.select(min(_TICK_S, self._remaining_s()))
                ended = any(key.fd == end_fd for key, _ in ready)
                if ended:
                    _kill_group(self._process.pid)  # including processes that it started
                    ready = selector.select(0)
                for key, _ in ready:
                    self._read(selector, key, until_empty=ended)
                if ended:
                    return

    def reap(self) -> CompletedChild:
        _, status, used = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._line:
            self._report_line(bytes(self._line))
        return CompletedChild(
            status=self._process.returncode,
            out=bytes(self._out),
            err=self._err.decode(errors="replace"),
            wall_s=self._clock.monotonic() - self._began,
            cpu_s=used.ru_utime + used.ru_stime,
            rss_bytes=used.ru_maxrss * 1024,
        )

    def _remaining_s(self) -> float:
        return max(0.0, self._began + self._command.limits.wall_s - self._clock.monotonic())

    def _check(self) -> None:
        if self._command.cancel is not None and self._command.cancel():
            raise Cancelled
        if self._remaining_s() <= 0:
            raise MediaTimeout("media", self._command.limits.wall_s)

    def _register(
        self, selector: selectors.BaseSelector, pipe: IO[bytes], read: Callable[[bytes], None]
    ) -> None:
        os.set_blocking(pipe.fileno(), False)
        selector.register(pipe, selectors.EVENT_READ, read)

    def _read(
        self, selector: selectors.BaseSelector, key: selectors.SelectorKey, until_empty: bool
    ) -> None:
        while key.data is not None:
            try:
                chunk = os.read(key.fd, 64 << 10)
            except BlockingIOError:
                return
            if not chunk:
                selector.unregister(key.fileobj)
                return
            key.data(chunk)
            if not until_empty:
                return

    def _read_stderr(self, chunk: bytes) -> None:
        self._err += chunk
        del self._err[:-MAX_ERR]

    def _read_stdout(self, chunk: bytes) -> None:
        self._out += chunk[: MAX_OUT - len(self._out)]
        if self._command.on_line is None:
            return
        *lines, rest = (self._line + chunk).split(b"\n")
        for line in lines:
            self._report_line(bytes(line))
        self._line = bytearray(rest[:MAX_LINE])

    def _report_line(self, line: bytes) -> None:
        if self._command.on_line is not None:
            self._command.on_line(line[:MAX_LINE].decode(errors="replace"))


@contextmanager
def _end_notification(pid: int) -> Iterator[int]:
    """A file descriptor that becomes readable when the process has ended."""
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)
