"""The series of one process: plain dicts from label values to numbers.

In: events on one event loop. Out: readings, taken at the scrape. No lock and no library: a count
costs one addition (`./mobula bench observe`). Label values are never the bytes of a caller: whoever
counts passes configured ids or members of closed sets, and a cap bounds them all the same.
"""

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from cluster.metrics.metric import Metric, MetricKind

LabelValues = tuple[str, ...]
Exemplars = Mapping[int, tuple[str, float, float]]  # by bucket: trace id, value, Unix seconds
# Counts by bucket (one more than the bounds), the sum of what was observed, and exemplars.
Distribution = tuple[Sequence[int], float, Exemplars]
Sample = tuple[LabelValues, float | Distribution]
Reading = tuple[Metric, Iterable[Sample]]
Source = Callable[[], Iterable[Reading]]
# What a replica tells of itself: samples by the name of their metric. Built-in types only, because
# replicas of two versions read it during a rolling update.
MetricReport = Mapping[str, Sequence[Sample]]

logger = logging.getLogger("mobula.metrics")


class Counter:
    """Counts events: `requests.add(("chat", "200"))`."""

    __slots__ = ("_cells", "metric")

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._cells: dict[LabelValues, float] = {}

    def add(self, labels: LabelValues = (), amount: float = 1) -> None:
        cells = self._cells
        if labels in cells:
            cells[labels] += amount
            return
        if len(cells) >= self.metric.cap and labels:
            labels = self.metric.capped(labels)
        cells[labels] = cells.get(labels, 0) + amount

    def read(self) -> Iterator[Reading]:
        yield self.metric, list(self._cells.items())


class Histogram:
    """Counts observations by size: `waits.observe(("nano",), 0.25)`."""

    __slots__ = ("_cells", "_exemplars", "_sums", "metric")

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._cells: dict[LabelValues, list[int]] = {}
        self._sums: dict[LabelValues, float] = {}
        self._exemplars: dict[LabelValues, dict[int, tuple[str, float, float]]] = {}

    def observe(self, labels: LabelValues, value: float) -> None:
        cells = self._cells
        if labels not in cells:
            labels = self._admit(labels)
        cells[labels][bisect_left(self.metric.buckets, value)] += 1
        self._sums[labels] += value

    def exemplify(self, labels: LabelValues, value: float, trace: str, at: float) -> None:
        """The sampled trace `trace`, at `at` Unix seconds, stands for its bucket from now on."""
        if labels not in self._cells:
            labels = self._admit(labels)
        found = self._exemplars.setdefault(labels, {})
        found[bisect_left(self.metric.buckets, value)] = (trace, value, at)

    def _admit(self, labels: LabelValues) -> LabelValues:
        if len(self._cells) >= self.metric.cap and labels:
            labels = self.metric.capped(labels)
        if labels not in self._cells:
            self._cells[labels] = [0] * (len(self.metric.buckets) + 1)
            self._sums[labels] = 0.0
        return labels

    def read(self) -> Iterator[Reading]:
        yield (
            self.metric,
            [
                (labels, (tuple(counts), self._sums[labels], dict(self._exemplars.get(labels, {}))))
                for labels, counts in self._cells.items()
            ],
        )


class Gauge:
    """A state that `read_value` tells at the scrape: a number, or numbers by label values."""

    __slots__ = ("_read_value", "metric")

    def __init__(
        self, metric: Metric, read_value: Callable[[], float | Mapping[LabelValues, float]]
    ) -> None:
        self.metric = metric
        self._read_value = read_value

    def read(self) -> Iterator[Reading]:
        value = self._read_value()
        values = value if isinstance(value, Mapping) else {(): value}
        yield self.metric, list(values.items())


class MetricSet:
    """Everything that one process counts. A source is `Counter.read` or any other function that
    gives readings of figures which exist already."""

    def __init__(self, *sources: Source) -> None:
        self._sources = list(sources)

    def add(self, *sources: Source) -> None:
        self._sources += sources

    def report(self, *more: Source) -> MetricReport:
        """All samples by metric, capped, with those of `more`. A source that fails is logged and
        left out."""
        report: dict[str, Sequence[Sample]] = {}
        for source in (*self._sources, *more):
            try:
                for metric, samples in source():
                    known = report.get(metric.name, ())
                    report[metric.name] = capped(metric, [*known, *samples])
            except Exception:
                logger.exception("figures could not be read")
        return report


def capped(metric: Metric, samples: Iterable[Sample]) -> list[Sample]:
    """Samples with their label sets capped; those that fall together are added."""
    found: dict[LabelValues, float | Distribution] = {}
    for labels, value in samples:
        if labels in found or (len(found) >= metric.cap and labels):
            labels = labels if labels in found else metric.capped(labels)
            found[labels] = _added(metric, found.get(labels), value)
        else:
            found[labels] = value
    return list(found.items())


def _added(
    metric: Metric, known: float | Distribution | None, value: float | Distribution
) -> float | Distribution:
    if known is None:
        return value
    if metric.kind is MetricKind.HISTOGRAM:
        assert isinstance(known, tuple)
        assert isinstance(value, tuple)
        counts = [sum(pair) for pair in zip(known[0], value[0], strict=True)]
        return counts, known[1] + value[1], {**known[2], **value[2]}
    assert not isinstance(known, tuple)
    assert not isinstance(value, tuple)
    return known + value
