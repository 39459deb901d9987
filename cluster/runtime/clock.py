"""Time as an argument: the one module that reads the machine's clocks.

Flows out: a `Clock` that every stage takes, and a `Deadline` that travels through a request. A
deadline crosses a process boundary as the seconds that remain, never as a clock reading, because
two machines share no clock.
"""

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What the time is, twice: for people (`wall`) and for measuring (`monotonic`)."""

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
    """A clock that moves only when it is told to."""

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
            raise ValueError("a clock does not go back")
        self._wall += seconds
        self._monotonic += seconds


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment, on this process's monotonic clock, after which an answer is worthless."""

    at: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> "Deadline":
        return cls(clock.monotonic() + seconds, clock)

    def remaining(self) -> float:
        """Seconds left; zero or less once it has passed."""
        return self.at - self.clock.monotonic()
