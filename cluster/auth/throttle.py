"""Slowing down who guesses passwords: a sliding log of failures for each email and address.

In the memory of one process, and bounded: with several replicas a guesser gets as many times the
attempts, each of which still costs an argon2 hash.
"""

from collections import OrderedDict, deque

from cluster.clock import Clock
from cluster.problems import RateLimited

FAILURES, WINDOW_S = 10, 300.0
MAX_ENTRIES = 10_000


class LoginThrottle:
    """Attempts count as failures until they succeed, so that racing ones cannot slip through."""

    def __init__(self, clock: Clock, max_entries: int = MAX_ENTRIES) -> None:
        self._clock = clock
        self._max = max_entries
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def attempt(self, email: str, address: str) -> None:
        """Raises RateLimited once there were 10 failures in 5 minutes."""
        now = self._clock.monotonic()
        failures = self._failures.setdefault((email, address), deque(maxlen=FAILURES))
        self._failures.move_to_end((email, address))
        while failures and failures[0] <= now - WINDOW_S:
            failures.popleft()
        if len(failures) == FAILURES:
            wait = failures[0] + WINDOW_S - now
            raise RateLimited("Too many failed sign-ins; wait.", wait, "sign-in")
        failures.append(now)
        if len(self._failures) > self._max:
            self._failures.popitem(last=False)

    def succeeded(self, email: str, address: str) -> None:
        self._failures.pop((email, address), None)

    def withdraw(self, email: str, address: str) -> None:
        """Take back the latest attempt: it failed for our reasons."""
        failures = self._failures.get((email, address))
        if failures:
            failures.pop()
