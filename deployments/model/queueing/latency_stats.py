"""What a replica was asked lately and how fast it answered. In: moments. Out: a rate, quantiles.

Costs a request a fraction of a microsecond; keeps a minute at most.
"""

import math
from collections import deque

from cluster.runtime.clock import Clock

SLICE_S = 10.0
SLICES = 3  # the one that fills, and the last two that are full
QUANTILES = (0.5, 0.9, 0.95, 0.99)
_GROWTH = 1.1  # of a bucket's bounds: quantiles are at most 5 % off
_LEAST_S = 0.001
_BUCKETS = 150  # up to 26 minutes
_PER_LOG = 1 / math.log(_GROWTH)


class QuantileSketch:
    """Counts of latencies in buckets that grow by a tenth each.

    After Masson, Rim and Lee, "DDSketch" (VLDB 2019): a relative error, and sums of sketches are
    sketches.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS
        self.total = 0

    def add(self, seconds: float) -> None:
        place = int(math.log(max(seconds, _LEAST_S) / _LEAST_S) * _PER_LOG)
        self.counts[min(place, _BUCKETS - 1)] += 1
        self.total += 1


def quantiles(sketches: list[QuantileSketch]) -> tuple[float, ...]:
    """Those of QUANTILES over all that the sketches hold, in seconds; 0 of nothing."""
    total = sum(sketch.total for sketch in sketches)
    if not total:
        return (0.0,) * len(QUANTILES)
    counts = [sum(column) for column in zip(*(s.counts for s in sketches), strict=True)]
    found, passed, place = [], 0, -1
    for quantile in QUANTILES:
        while passed < quantile * total:
            place += 1
            passed += counts[place]
        found.append(_LEAST_S * _GROWTH ** (place + 0.5))
    return tuple(found)


class _Slice:
    __slots__ = ("arrived", "began", "first", "whole")

    def __init__(self, began: float) -> None:
        self.began = began
        self.arrived = 0
        self.first, self.whole = QuantileSketch(), QuantileSketch()


class LatencyStats:
    """Requests of the last 20 to 30 seconds: arrivals, first tokens of streams, whole answers; and
    `tokens` of those that are open, which callers count up and down.
    """

    def __init__(self, clock: Clock) -> None:
        self.tokens = 0
        self._clock = clock
        self._slices = deque([_Slice(clock.monotonic())], SLICES)

    def arrived(self) -> None:
        """A request came."""
        self._now(self._clock.monotonic()).arrived += 1

    def first(self, since: float) -> None:
        """A stream that came at `since` sends its first token."""
        now = self._clock.monotonic()
        self._now(now).first.add(now - since)

    def whole(self, since: float) -> None:
        """The answer to a request that came at `since` is complete."""
        now = self._clock.monotonic()
        self._now(now).whole.add(now - since)

    def figures(self) -> dict[str, float]:
        now = self._clock.monotonic()
        self._now(now)
        arrived = sum(part.arrived for part in self._slices)
        span_s = max(SLICE_S / 2, now - self._slices[0].began)
        found = {"arrivals_per_s": arrived / span_s}
        for name, kind in (("ttft", "first"), ("total", "whole")):
            values = quantiles([getattr(part, kind) for part in self._slices])
            found |= {
                f"{name}_p{quantile * 100:g}_s": value
                for quantile, value in zip(QUANTILES, values, strict=True)
            }
        return found

    def _now(self, now: float) -> _Slice:
        newest = self._slices[-1]
        if now - newest.began < SLICE_S:
            return newest
        if now - newest.began >= SLICES * SLICE_S:
            self._slices.clear()
        newest = _Slice(now)
        self._slices.append(newest)
        return newest
