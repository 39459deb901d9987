"""Requests over time. In: a sample for each request as it ends. Out: series for charts, and times.

Samples are not aggregated, so that quantiles are exact: a hundred requests a
second for an hour take about 50 MiB.
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from load_tests.charts import Point

_POINTS = 240  # of a series; a long run's points stand for more seconds
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class RequestSample:
    """`at` is seconds since the start, `users` how many there were then."""

    at: float
    name: str
    took_ms: float
    failed: bool
    users: int


def build_series(samples: Sequence[RequestSample]) -> dict[str, dict[str, list[Point]]]:
    """Charts by name: requests/s, latency, failures/s, users; each a line or several."""
    step = choose_step(samples)
    slices = _slices(samples, step)
    rates = [(at, len(some) / step) for at, some in slices]
    failed = [(at, sum(s.failed for s in some) / step) for at, some in slices]
    users = [(at, float(max((s.users for s in some), default=0))) for at, some in slices]
    took = {
        name: [
            (at, quantile([s.took_ms for s in some if not s.failed], share)) for at, some in slices
        ]
        for name, share in QUANTILES.items()
    }
    return {
        "requests": {"requests/s": rates},
        "latency": took,
        "failures": {"failures/s": failed},
        "users": {"users": users},
    }


def choose_step(samples: Sequence[RequestSample]) -> float:
    """Seconds of one point, a whole number."""
    longest = max((sample.at for sample in samples), default=0.0)
    return float(max(1, -(-int(longest) // _POINTS)))


def _slices(
    samples: Sequence[RequestSample], step: float
) -> list[tuple[float, list[RequestSample]]]:
    """Every step of time, also where nothing ended."""
    by_step: dict[int, list[RequestSample]] = defaultdict(list)
    for sample in samples:
        by_step[int(sample.at // step)].append(sample)
    return [(number * step, by_step[number]) for number in range(max(by_step, default=-1) + 1)]


def quantile(values: Sequence[float], share: float) -> float:
    """Not a number of nothing."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]
