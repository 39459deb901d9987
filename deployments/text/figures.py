"""What an analyzer counts: calls, characters, times of operations.

Flows in: the events of calls, on one event loop. Flows out: readings for /metrics.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from cluster.metrics.catalogue import text as text_metrics
from cluster.metrics.series import Counter, Histogram, Reading
from cluster.runtime.problems import Problem

_OUTCOMES = ("finished", "cancelled", "refused", "failed")


class AnalysisFigures:
    def __init__(self) -> None:
        self.open_characters = 0
        self.open_calls = 0
        self._characters = 0
        self._calls = Counter(text_metrics.CALLS)
        self._unsupported = Counter(text_metrics.UNSUPPORTED)
        self._durations = Histogram(text_metrics.DURATION)
        for outcome in _OUTCOMES:
            self._calls.add((outcome,), 0)

    @contextmanager
    def call(self, characters: int) -> Iterator[None]:
        """Around each call that was taken."""
        self._characters += characters
        self.open_characters += characters
        self.open_calls += 1
        outcome = "finished"
        try:
            yield
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except BaseException as error:
            refused = _find_problem(error)
            outcome = "refused" if refused is not None and refused.status < 500 else "failed"
            raise
        finally:
            self.open_characters -= characters
            self.open_calls -= 1
            self._calls.add((outcome,))

    def record(self, operation: str, seconds: float, unsupported: int) -> None:
        """An operation has its results, `unsupported` of which are none."""
        self._durations.observe((operation,), seconds)
        if unsupported:
            self._unsupported.add((operation,), unsupported)

    def read(self) -> Iterable[Reading]:
        for counts in (self._calls, self._unsupported, self._durations):
            yield from counts.read()
        yield text_metrics.CHARACTERS, [((), self._characters)]
        yield text_metrics.OPEN_CHARACTERS, [((), self.open_characters)]


def _find_problem(error: BaseException) -> Problem | None:
    return error if isinstance(error, Problem) else None
