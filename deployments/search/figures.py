"""What a search shard counts.

Flows in: the events of searches, on one event loop. Flows out: readings for /metrics.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.metrics.catalogue import search
from cluster.metrics.series import Counter, Histogram, Reading
from cluster.runtime.problems import Problem

_OUTCOMES = ("finished", "cancelled", "refused", "failed")


class SearchFigures:
    def __init__(self) -> None:
        self.open_searches = 0
        self.changes = 0
        self.evictions = 0
        self.approximate = 0
        self._searches = Counter(search.SEARCHES)
        self._durations = Histogram(search.DURATION)
        self._refreshes = Histogram(search.REFRESHES)
        for outcome in _OUTCOMES:
            self._searches.add((outcome,), 0)

    @contextmanager
    def search(self, mode: str) -> Iterator[None]:
        """Around each search."""
        outcome, since = "finished", time.monotonic()
        self.open_searches += 1
        try:
            yield
        except BaseException as error:
            outcome = _outcome(error)
            raise
        finally:
            self.open_searches -= 1
            self._searches.add((outcome,))
            self._durations.observe((mode,), time.monotonic() - since)

    @contextmanager
    def refresh(self, *, is_load: bool) -> Iterator[None]:
        """Around each reading of points."""
        since = time.monotonic()
        yield
        self._refreshes.observe(("load" if is_load else "changes",), time.monotonic() - since)

    def read(self) -> Iterator[Reading]:
        yield from self._searches.read()
        yield from self._durations.read()
        yield from self._refreshes.read()
        yield search.CHANGES, [((), self.changes)]
        yield search.APPROXIMATE, [((), self.approximate)]
        yield search.EVICTIONS, [((), self.evictions)]


def _outcome(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return "refused" if isinstance(error, Problem) and error.status < 500 else "failed"
