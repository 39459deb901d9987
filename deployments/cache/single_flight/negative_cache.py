"""Refusals that are sure to come again, remembered for a moment so that no model repeats them.

In: problems that computing an answer gave, under the answer's key. Out: the same problem for an
equal request soon after. Only in this process, and never for longer than policy.py says.
"""

import copy

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.cache.admission_policy import negative_ttl_s

_MOST = 10_000


class NegativeCache:
    """Bounded; the oldest is forgotten first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[bytes, tuple[float, Problem]] = {}

    def check(self, key: bytes) -> None:
        """Raises the problem that is remembered for `key`."""
        known = self._known.get(key) if self._known else None
        if known is None:
            return
        until, problem = known
        if self._clock.monotonic() >= until:
            del self._known[key]
            return
        raise copy.copy(problem)

    def add(self, key: bytes, problem: Problem) -> None:
        """Remember it if it says that the request itself is wrong."""
        seconds = negative_ttl_s(problem)
        if seconds <= 0:
            return
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        kept = copy.copy(problem)
        kept.__traceback__ = None
        self._known[key] = (self._clock.monotonic() + seconds, kept)
