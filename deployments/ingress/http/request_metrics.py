"""HTTP requests of the ingress for Prometheus: by status, and how long they took.

In: one count for each response. Out: whole numbers since the start, summed over the ingress
replicas, in the text exposition format. Serve's own series lack the requests that go around its
wrapper (serve_bypass.py).
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from cluster.runtime.pickle_compat import version_tolerant

PREFIX = "mobula_http_"
# Upper bounds in milliseconds; the last bucket has none.
BUCKETS_MS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000)


@version_tolerant
@dataclass(frozen=True, slots=True)
class RequestStats:
    """`statuses` are counts by HTTP status, `buckets` by duration (one more than BUCKETS_MS),
    `total_ms` is the sum of all durations, `open` the requests that have not ended."""

    statuses: Mapping[int, int] = field(default_factory=dict)
    buckets: Sequence[int] = (0,) * (len(BUCKETS_MS) + 1)
    total_ms: float = 0.0
    open: int = 0


class RequestMetrics:
    """The counts of one replica."""

    def __init__(self) -> None:
        self._statuses: dict[int, int] = {}
        self._buckets = [0] * (len(BUCKETS_MS) + 1)
        self._total_ms = 0.0

    def record(self, status: int, ms: float) -> None:
        """One request has ended after `ms` milliseconds; 499: its client left before."""
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._buckets[bisect_left(BUCKETS_MS, ms)] += 1
        self._total_ms += ms

    def stats(self, open_requests: int) -> RequestStats:
        statuses, buckets = dict(self._statuses), tuple(self._buckets)
        return RequestStats(statuses, buckets, self._total_ms, open_requests)


def sum_stats(reports: Sequence[RequestStats]) -> RequestStats:
    """Of all replicas. A sum falls when a replica ends: use `rate()` and `increase()`."""
    statuses: dict[int, int] = {}
    buckets = [0] * (len(BUCKETS_MS) + 1)
    for report in reports:
        for status, count in report.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
        buckets = [sum(pair) for pair in zip(buckets, report.buckets, strict=True)]
    total_ms = sum(report.total_ms for report in reports)
    return RequestStats(statuses, tuple(buckets), total_ms, sum(each.open for each in reports))


def render_requests(stats: RequestStats) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_RequestStatsSource(stats))
    return generate_latest(registry)


class _RequestStatsSource(Collector):
    def __init__(self, stats: RequestStats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats
        statuses = CounterMetricFamily(
            PREFIX + "requests", "HTTP requests by status; 499: the client left.", labels=["status"]
        )
        for status, count in sorted(stats.statuses.items()):
            statuses.add_metric([str(status)], count)
        yield statuses
        yield GaugeMetricFamily(PREFIX + "open", "HTTP requests that are open.", value=stats.open)
        durations = HistogramMetricFamily(
            PREFIX + "duration_seconds",
            "Seconds until an HTTP request was answered.",
        )
        durations.add_metric([], list(_cumulated(stats)), sum_value=stats.total_ms / 1000)
        yield durations


def _cumulated(stats: RequestStats) -> Iterator[tuple[str, float]]:
    """Prometheus counts in each bucket all that are shorter."""
    total = 0
    for bound, count in zip((*BUCKETS_MS, None), stats.buckets, strict=True):
        total += count
        yield "+Inf" if bound is None else f"{bound / 1000:g}", total
