"""How many sequences one model holds at once.

In: a request's number of choices. Out: a place, or Overloaded.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.clock import Clock
from cluster.problems import Draining, Overloaded

_SMOOTHING = 0.1
_LONGEST_RETRY_S = 30.0


class Admission:
    """Counts open sequences against `max_running + max_waiting`, which may change while it runs.

    `Retry-After` is the time that the sequences ahead need,
    from a moving average of past ones.
    """

    def __init__(self, max_running: int, max_waiting: int, clock: Clock) -> None:
        self.max_running = max_running
        self.max_waiting = max_waiting
        self.closed = False
        self._clock = clock
        self._open = 0
        self._mean_s = 1.0

    @property
    def running(self) -> int:
        return min(self._open, self.max_running)

    @property
    def waiting(self) -> int:
        return self._open - self.running

    @contextmanager
    def place(self, sequences: int) -> Iterator[None]:
        """Hold places for the body.

        Raises Overloaded when there is no room, Draining after `closed`.
        """
        if self.closed:
            raise Draining("This replica is shutting down; another one will answer.")
        limit = self.max_running + self.max_waiting
        if self._open + sequences > limit:
            raise Overloaded(
                f"The model already holds {self._open} of {limit} sequences.",
                retry_after_s=self._retry_after_s(),
            )
        self._open += sequences
        start = self._clock.monotonic()
        try:
            yield
        finally:
            self._open -= sequences
            self._mean_s += _SMOOTHING * (self._clock.monotonic() - start - self._mean_s)

    def _retry_after_s(self) -> float:
        rounds = self.waiting / self.max_running + 1
        return min(_LONGEST_RETRY_S, max(1.0, rounds * self._mean_s))
