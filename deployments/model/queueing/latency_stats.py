"""A replica's recent arrival rate and latencies. In: times. Out: a rate, quantiles.

Costs a request a fraction of a microsecond; holds half a minute at most.
"""

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator

from cluster.metrics.catalogue import generation
from cluster.metrics.metric import DURATION_S, LATENCY_S, TOKEN_S
from cluster.metrics.series import Reading
from cluster.runtime.clock import Clock

SLICE_S = 10.0
SLICES = 3  # the current one, and the last two complete ones
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
        bucket = int(math.log(max(seconds, _LEAST_S) / _LEAST_S) * _PER_LOG)
        self.counts[min(bucket, _BUCKETS - 1)] += 1
        self.total += 1


def quantiles(sketches: list[QuantileSketch]) -> tuple[float, ...]:
    """QUANTILES of the merged sketches, in seconds; 0 where they are empty."""
    total = sum(sketch.total for sketch in sketches)
    if not total:
        return (0.0,) * len(QUANTILES)
    counts = [sum(column) for column in zip(*(s.counts for s in sketches), strict=True)]
    values, passed, bucket = [], 0, -1
    for quantile in QUANTILES:
        while passed < quantile * total:
            bucket += 1
            passed += counts[bucket]
        values.append(_LEAST_S * _GROWTH ** (bucket + 0.5))
    return tuple(values)


class _Slice:
    __slots__ = ("arrivals", "began", "first_token", "response")

    def __init__(self, began: float) -> None:
        self.began = began
        self.arrivals = 0
        self.first_token, self.response = QuantileSketch(), QuantileSketch()


class LatencyStats:
    """Requests of the last 20 to 30 seconds: arrivals, times to the first token of streams and to
    complete responses; and `tokens` of open requests, which callers count up and down.

    `now` and `since` are readings of the clock's monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self.tokens = 0
        self._clock = clock
        # Counts by the bounds of their metrics and one beyond, and sums, since the start.
        self._first_tokens, self._first_tokens_s = [0] * (len(LATENCY_S) + 1), 0.0
        self._responses, self._responses_s = [0] * (len(DURATION_S) + 1), 0.0
        self._tokens, self._tokens_s = [0] * (len(TOKEN_S) + 1), 0.0
        self._slices = deque([_Slice(clock.monotonic())], SLICES)

    def record_arrival(self, now: float) -> None:
        newest = self._slices[-1]
        if now - newest.began >= SLICE_S:
            newest = self._rotate(now)
        newest.arrivals += 1

    def record_first_token(self, since: float, now: float) -> None:
        """A stream that arrived at `since` sends its first token."""
        newest = self._slices[-1]
        if now - newest.began >= SLICE_S:
            newest = self._rotate(now)
        seconds = now - since
        newest.first_token.add(seconds)
        self._first_tokens[bisect_left(LATENCY_S, seconds)] += 1
        self._first_tokens_s += seconds

    def record_time_per_token(self, seconds: float) -> None:
        """The mean time between two tokens of a choice that was streamed, after its first one."""
        self._tokens[bisect_left(TOKEN_S, seconds)] += 1
        self._tokens_s += seconds

    def record_response(self, since: float, now: float) -> None:
        """The response to a request that arrived at `since` is complete."""
        newest = self._slices[-1]
        if now - newest.began >= SLICE_S:
            newest = self._rotate(now)
        seconds = now - since
        newest.response.add(seconds)
        self._responses[bisect_left(DURATION_S, seconds)] += 1
        self._responses_s += seconds

    def read_metrics(self, model: str) -> Iterator[Reading]:
        """Since the start."""
        first_tokens, responses = tuple(self._first_tokens), tuple(self._responses)
        yield (
            generation.TIME_TO_FIRST_TOKEN,
            [((model,), (first_tokens, self._first_tokens_s, {}))],
        )
        yield generation.DURATION, [((model,), (responses, self._responses_s, {}))]
        tokens = tuple(self._tokens)
        yield generation.TIME_PER_OUTPUT_TOKEN, [((model,), (tokens, self._tokens_s, {}))]

    def summary(self) -> dict[str, float]:
        now = self._clock.monotonic()
        if now - self._slices[-1].began >= SLICE_S:
            self._rotate(now)
        arrivals = sum(part.arrivals for part in self._slices)
        span_s = max(SLICE_S / 2, now - self._slices[0].began)
        summary = {"arrivals_per_s": arrivals / span_s}
        for name, kind in (("ttft", "first_token"), ("total", "response")):
            values = quantiles([getattr(part, kind) for part in self._slices])
            summary |= {
                f"{name}_p{quantile * 100:g}_s": value
                for quantile, value in zip(QUANTILES, values, strict=True)
            }
        return summary

    def _rotate(self, now: float) -> _Slice:
        if now - self._slices[-1].began >= SLICES * SLICE_S:
            self._slices.clear()
        newest = _Slice(now)
        self._slices.append(newest)
        return newest
