"""Terminal output of the commands: text, progress stages, errors without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.status import Status

from cluster.runtime.clock import SystemClock

QUIET_S = 10.0

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def print_rich(text: str = "") -> None:
    """Print a line with markup; errors of a closed terminal are ignored."""
    with suppress(OSError):
        console.print(text)


def print_plain(text: str, end: str = "\n") -> None:
    """Print text without markup: log lines, keys, generated text."""
    with suppress(OSError):
        console.print(text, markup=False, end=end)


def fail(text: str) -> int:
    """Print an error; returns the exit code."""
    with suppress(OSError):
        errors.print("[bold red]error:[/] ", end="")
        errors.print(text, markup=False)
    return 1


class Stages:
    """Progress of long steps: a spinner on a terminal, else finished stages and heartbeats."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._started = self._printed = self._clock.monotonic()
        self._stage = ""
        self._status: Status | None = None

    def __call__(self, text: str) -> None:
        """Start the stage `text`, or update the part in brackets of the current one."""
        stage = text.partition(" (")[0]
        if stage != self._stage:
            self._finish()
            self._stage, self._started = stage, self._clock.monotonic()
        if self._status is not None:
            with suppress(OSError):
                self._status.update(text)
        elif self._clock.monotonic() - self._printed >= QUIET_S:
            self._print(f"{text} ...")

    def _finish(self) -> None:
        if self._stage:
            self._print(self._stage)

    def _print(self, text: str) -> None:
        self._printed = self._clock.monotonic()
        print_plain(f"  {self._printed - self._started:5.1f} s  {text}")

    @contextmanager
    def running(self) -> Iterator["Stages"]:
        if console.is_terminal:
            self._status = console.status("")
            self._status.start()
        try:
            yield self
            self._finish()
        finally:
            if self._status is not None:
                self._status.stop()
