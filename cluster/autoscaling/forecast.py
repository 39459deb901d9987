"""Forecasts the load for the time when a replica that is requested now will be ready.

In: load samples. Out: a quantile of the load one cold start ahead. numpy only, memory is bounded,
and time is an argument.
"""

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_BUCKET_S = 10.0
_TIME_CONSTANTS_S = np.array([20.0, 60.0, 180.0])  # of the competing moving averages
_MAX_RESIDUALS = 360  # buckets: an hour
_MIN_RESIDUALS = 12  # residuals before their quantile is used
_UPDATE_EVERY = 6  # new residuals between updates, once the buffer is full
_BINS = 288  # per season: five minutes of a day
_SMOOTHING = 0.5  # weight of the newest season in the profile


class Forecast:
    """Level plus season plus a quantile of its errors at the same horizon.

    The level is an exponentially weighted moving average; of three time constants, the one with the
    least quantile (pinball) loss over the last hour is used (Koenker and Bassett, "Regression
    Quantiles", 1978). Errors are in units of the square root of the forecast, as for a Poisson
    number of open requests, so that they transfer between high and low load. The season adds the
    increase of its profile until then (Holt and Winters' additive form), once one season has been
    observed.
    """

    def __init__(self, season_s: float, quantile: float) -> None:
        self._quantile = quantile
        self._season = SeasonalModel(season_s)
        self._levels: Array | None = None
        self._point_forecasts: list[Array] = []  # of the last buckets, newest last
        self._errors = np.empty((_MAX_RESIDUALS, len(_TIME_CONSTANTS_S)))
        self._seen = 0
        self._best, self._margin = 0, 0.0
        self._bucket, self._sum, self._count, self._peak = -1, 0.0, 0, 0.0

    def observe(self, at: float, load: float, horizon_s: float) -> None:
        """Adds a sample; `at` never decreases."""
        bucket = int(at // _BUCKET_S)
        if bucket != self._bucket:
            if self._count:
                self._close(at, horizon_s)
            self._bucket, self._sum, self._count, self._peak = bucket, 0.0, 0, 0.0
        self._sum += load
        self._count += 1
        self._peak = max(self._peak, load)

    def predict(self, at: float, horizon_s: float) -> float:
        """The quantile of the load from now to `horizon_s` ahead; NaN before the first bucket."""
        if self._levels is None:
            return math.nan
        level = float(self._levels[self._best])
        rise = max(
            self._season.seasonal_increase(at, at + part * horizon_s, level)
            for part in (0.0, 0.5, 1.0)
        )
        point = max(0.0, level + rise)
        return point + self._margin * math.sqrt(max(1.0, point))

    def _close(self, at: float, horizon_s: float) -> None:
        """Closes a bucket: records the forecast error and updates the levels."""
        mean = self._sum / self._count
        behind = max(1, math.ceil(horizon_s / _BUCKET_S))
        if len(self._point_forecasts) >= behind:
            self._learn(self._point_forecasts[-behind])
        self._season.observe(at - _BUCKET_S / 2, mean)
        if self._levels is None:
            self._levels = np.full(len(_TIME_CONSTANTS_S), mean)
        self._levels += (1 - np.exp(-_BUCKET_S / _TIME_CONSTANTS_S)) * (mean - self._levels)
        rises = [
            self._season.seasonal_increase(at, at + horizon_s, float(level))
            for level in self._levels
        ]
        self._point_forecasts = [
            *self._point_forecasts[-_MAX_RESIDUALS:],
            np.maximum(0.0, self._levels + rises),
        ]

    def _learn(self, forecast: Array) -> None:
        error = (self._peak - forecast) / np.sqrt(np.maximum(1.0, forecast))
        self._errors[self._seen % _MAX_RESIDUALS] = error
        self._seen += 1
        if self._seen < _MIN_RESIDUALS or (
            self._seen > _MAX_RESIDUALS and self._seen % _UPDATE_EVERY
        ):
            return
        errors = self._errors[: min(self._seen, _MAX_RESIDUALS)]
        margins = np.quantile(errors, self._quantile, axis=0)
        off = errors - margins
        losses = np.maximum(self._quantile * off, (self._quantile - 1) * off).mean(axis=0)
        self._best = int(np.argmin(losses))
        self._margin = float(margins[self._best])


class SeasonalModel:
    """The mean load by time of a season; newer seasons weigh more."""

    def __init__(self, season_s: float) -> None:
        self._width_s = season_s / _BINS
        self._profile = np.full(_BINS, np.nan)
        self._bin, self._sum, self._count = -1, 0.0, 0

    def observe(self, at: float, load: float) -> None:
        now = int(at // self._width_s) % _BINS
        if now != self._bin:
            self._close()
            self._bin, self._sum, self._count = now, 0.0, 0
        self._sum += load
        self._count += 1

    def seasonal_increase(self, start: float, end: float, level: float) -> float:
        """The profile's increase between two times, scaled to a load of `level` at the first; 0 if
        unknown."""
        before, after = self._at(start), self._at(end)
        if math.isnan(before) or math.isnan(after) or before <= 0:
            return 0.0
        return (after - before) * min(2.0, max(0.5, level / before))

    def _at(self, moment: float) -> float:
        """The profile, interpolated between the centers of two bins; NaN if one is unknown."""
        position = moment / self._width_s - 0.5
        low = math.floor(position)
        share = position - low
        left, right = self._profile[low % _BINS], self._profile[(low + 1) % _BINS]
        return float(left * (1 - share) + right * share)

    def _close(self) -> None:
        if not self._count:
            return
        mean, old = self._sum / self._count, self._profile[self._bin]
        updated = mean if np.isnan(old) else old + _SMOOTHING * (mean - old)
        self._profile[self._bin] = updated
