"""Leaves a tier alone that does not answer, and asks it once in a while whether it is back.

In: the outcome of each call. Out: TierDown at once, in place of a call that would wait for nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.runtime.clock import Clock
from deployments.contracts.cache import TierUnavailable


class ConsecutiveFailureBreaker:
    """Opens after `failures` TierDowns without a success between them, for `pause_s`; then one call
    is let through as a probe, whose failure opens it for another `pause_s`.
    """

    def __init__(self, clock: Clock, failures: int = 3, pause_s: float = 1.0) -> None:
        self._clock = clock
        self._allowed = failures
        self._pause_s = pause_s
        self._failures = 0
        self._until = 0.0
        self._probing = False

    @property
    def closed(self) -> bool:
        return self._failures < self._allowed

    @property
    def ready(self) -> bool:
        """Whether a call would be let through."""
        return self.closed or (not self._probing and self._clock.monotonic() >= self._until)

    @contextmanager
    def call(self, *, may_probe: bool = True) -> Iterator[None]:
        """Around one call; raises TierDown in its place. A call that waits for long is no probe."""
        if not self.ready or not (may_probe or self.closed):
            raise TierUnavailable("left alone for a moment")
        probing = self._probing = not self.closed
        try:
            yield
        except TierUnavailable:
            self._failures += 1
            self._until = self._clock.monotonic() + self._pause_s
            raise
        else:
            self._failures = 0
        finally:
            self._probing = self._probing and not probing
