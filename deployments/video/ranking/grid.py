"""The time grid of ranking, in half seconds: values at any times in, one value per cell out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.video.ranking.calibration import Curve

STEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Grid:
    """`count` cells of `STEP_S` seconds; cell i begins at i * STEP_S."""

    count: int

    @classmethod
    def over(cls, duration: float) -> "Grid":
        return cls(max(0, math.ceil(duration / STEP_S)))

    def cells(self, seconds: float) -> int:
        return max(1, round(seconds / STEP_S))

    def zeros(self) -> Curve:
        return np.zeros(self.count)

    def starts(self) -> Curve:
        return np.arange(self.count, dtype=np.float64) * STEP_S

    def medians(self, times: NDArray[np.floating], values: NDArray[np.floating]) -> Curve:
        """The median of the values in each cell; an empty cell takes its predecessor's, or 0."""
        cell, value = self._inside(times, values)
        order = np.lexsort((value, cell))
        cell, value = cell[order], value[order]
        cells, first, sizes = np.unique(cell, return_index=True, return_counts=True)
        low, high = value[first + (sizes - 1) // 2], value[first + sizes // 2]
        return self._fill_empty(cells, (low + high) / 2)

    def shares(self, spans: NDArray[np.float64], weights: NDArray[np.float64]) -> Curve:
        """How much of each cell the spans (n, 2), each with a weight, cover: weight x share."""
        if len(spans) == 0:
            return self.zeros()
        edges_of_spans = np.concatenate([spans[:, 0], np.maximum(spans[:, 1], spans[:, 0])])
        order = np.argsort(edges_of_spans, kind="stable")
        slopes = np.cumsum(np.concatenate([weights, -weights])[order])
        edges_of_spans = edges_of_spans[order]
        total = np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(edges_of_spans))])
        edges = np.append(self.starts(), self.count * STEP_S)
        return np.diff(np.interp(edges, edges_of_spans, total)) / STEP_S

    def counts(self, times: NDArray[np.floating], weights: NDArray[np.float64]) -> Curve:
        cell, weight = self._inside(times, weights)
        return np.bincount(cell, weights=weight, minlength=self.count).astype(np.float64)

    def _inside(
        self, times: NDArray[np.floating], values: NDArray[np.floating]
    ) -> tuple[NDArray[np.int64], Curve]:
        is_inside = np.isfinite(values) & (times >= 0.0) & (times < self.count * STEP_S)
        cell = (times[is_inside] / STEP_S).astype(np.int64)
        return np.minimum(cell, self.count - 1), values[is_inside].astype(np.float64)

    def _fill_empty(self, cells: NDArray[np.int64], values: Curve) -> Curve:
        if cells.size == 0:
            return self.zeros()
        previous_cell = np.searchsorted(cells, np.arange(self.count), side="right") - 1
        return values[np.maximum(previous_cell, 0)]
