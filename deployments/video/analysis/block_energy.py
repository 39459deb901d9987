"""Sums over equal stretches of a signal that comes in blocks: values in, a sum per stretch out.

Stretch i covers the samples from round(i * length) to round((i + 1) * length), so that a length
that is no whole number of samples does not drift.
"""

from array import array

import numpy as np
from numpy.typing import NDArray


class BlockSums:
    """Sums over stretches of `rate / per_second` samples. The last, unfinished one is left out
    unless `rest` is asked for."""

    def __init__(self, rate: int, per_second: int) -> None:
        self._rate, self._per_second = rate, per_second
        self._at = 0
        self._open = 0.0
        self.whole = array("d")

    def push(self, values: NDArray[np.floating]) -> None:
        end = self._at + values.size
        first, last = len(self.whole), self._finished(end)
        edges = np.array([self._edge(i) for i in range(first + 1, last + 1)], np.int64) - self._at
        starts = np.concatenate(([0], edges[edges < values.size]))
        sums = np.add.reduceat(values, starts, dtype=np.float64) if values.size else np.zeros(1)
        if edges.size == starts.size:  # the last edge is the end of the block
            sums = np.append(sums, 0.0)
        sums[0] += self._open
        self.whole.extend(sums[:-1].tolist())
        self._open, self._at = float(sums[-1]), end

    def rest(self) -> tuple[float, int]:
        """The sum of the unfinished stretch, and how many samples are in it."""
        return self._open, self._at - self._edge(len(self.whole))

    def _edge(self, number: int) -> int:
        return (2 * number * self._rate + self._per_second) // (2 * self._per_second)

    def _finished(self, at: int) -> int:
        number = at * self._per_second // self._rate
        return number + 1 if self._edge(number + 1) <= at else number - (self._edge(number) > at)
