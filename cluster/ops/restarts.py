"""When a cluster that died is started again, and when that is given up. Pure."""

from dataclasses import dataclass, field

from cluster.runtime.clock import Clock

MOST = 5  # starts within WINDOW_S
WINDOW_S = 600.0
DELAYS_S = (0.0, 1.0, 5.0, 15.0, 30.0)  # before the first, the second, ... within the window


@dataclass(slots=True)
class Restarts:
    """Counts the starts of the last `WINDOW_S`; more than `MOST` are a crash loop."""

    clock: Clock
    _began: list[float] = field(default_factory=list)

    def attempt(self) -> int:
        """The number of the next start within the window, from 1."""
        now = self.clock.monotonic()
        self._began = [each for each in self._began if now - each < WINDOW_S]
        return len(self._began) + 1

    def is_crash_loop(self) -> bool:
        return self.attempt() > MOST

    def begin(self) -> float:
        """Count a start; returns the seconds to wait before it."""
        delay = DELAYS_S[min(self.attempt(), len(DELAYS_S)) - 1]
        self._began.append(self.clock.monotonic())
        return delay
