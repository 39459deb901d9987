"""Clocks and deadlines: the only module that reads the machine's clocks.

Out: a `Clock` that every stage receives, and a `Deadline` for a request. A deadline is sent between
processes as the remaining seconds, because machines do not share a clock.
"""

import time
from dataclasses import dataclass
from typing import Protocol

from cluster.runtime.quick_init import quick_init


class Clock(Protocol):
    """Wall-clock time (`wall`) and time for measurements (`monotonic`)."""

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary origin that never goes back."""
        ...


class SystemClock:
    """The clock of the machine."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class ManualClock:
    """A clock for tests that moves only by `advance`."""

    def __init__(self, wall: float = 1_700_000_000.0, monotonic: float = 1_000.0) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both readings forward by `seconds` (>= 0)."""
        if seconds < 0:
            raise ValueError("a clock cannot go back")
        self._wall += seconds
        self._monotonic += seconds


@quick_init
@dataclass(frozen=True, slots=True)
class Deadline:
    """The time on this process's monotonic clock after which a response is useless."""

    at: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> "Deadline":
        return cls(clock.monotonic() + seconds, clock)

    def remaining(self) -> float:
        """Seconds left; zero or less once it has passed."""
        return self.at - self.clock.monotonic()
