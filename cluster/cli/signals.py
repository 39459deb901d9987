"""Handles Ctrl-C, SIGTERM, SIGHUP: the first starts a graceful shutdown, the second forces it."""

import os
import signal
from collections.abc import Callable
from types import FrameType

SHUTDOWN_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A shutdown was requested. Raised once, in the main thread."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interrupts:
    """Installs the signal handlers. On the second signal `force` runs, then the process exits."""

    def __init__(self, force: Callable[[], object]) -> None:
        self.force = force
        self._closing = False
        for number in SHUTDOWN_SIGNALS:
            signal.signal(number, self._handle)

    def hold(self) -> None:
        """Ignore the first signal from now on: the shutdown is under way."""
        self._closing = True

    def release(self) -> None:
        """The shutdown is complete: the next signal interrupts again."""
        self._closing = False

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._closing:
            self.force()
            os._exit(128 + number)
        self._closing = True
        raise Interrupted(number)
