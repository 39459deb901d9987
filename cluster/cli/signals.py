"""Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly end, the second forces it."""

import os
import signal
from collections.abc import Callable
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The operator wants us to end. Raised once, in the main thread."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interrupts:
    """Installs itself. `force` runs on the second signal, and then the process is gone."""

    def __init__(self, force: Callable[[], object]) -> None:
        self.force = force
        self._closing = False
        for number in ENDING:
            signal.signal(number, self._handle)

    def hold(self) -> None:
        """From now on the first signal no longer interrupts: we are ending already."""
        self._closing = True

    def release(self) -> None:
        """What had to be ended is ended: the next signal interrupts again."""
        self._closing = False

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._closing:
            self.force()
            os._exit(128 + number)
        self._closing = True
        raise Interrupted(number)
