"""What the commands print: stages as they happen, and failures without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.status import Status

from cluster.runtime.clock import SystemClock

QUIET_S = 10.0

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def print_rich(text: str = "") -> None:
    """Print a line, markup included; a closed terminal is no reason to stop."""
    with suppress(OSError):
        console.print(text)


def print_plain(text: str, end: str = "\n") -> None:
    """Print text as it is: log lines, keys, a model's words."""
    with suppress(OSError):
        console.print(text, markup=False, end=end)


def fail(text: str) -> int:
    """Print what went wrong; returns the exit code."""
    with suppress(OSError):
        errors.print("[bold red]error:[/] ", end="")
        errors.print(text, markup=False)
    return 1


class Stages:
    """Long steps: a moving line on a terminal, finished stages and signs of life elsewhere."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._began = self._printed = self._clock.monotonic()
        self._stage = ""
        self._status: Status | None = None

    def __call__(self, text: str) -> None:
        """Go over to the stage `text`; the part in brackets may change within a stage."""
        stage = text.partition(" (")[0]
        if stage != self._stage:
            self._finish()
            self._stage, self._began = stage, self._clock.monotonic()
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
        print_plain(f"  {self._printed - self._began:5.1f} s  {text}")

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
