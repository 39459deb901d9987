"""PromQL over the catalogue of metrics, for dashboards and alert rules.

In: declared metrics and labels. Out: expressions that name only series which exist: a label that a
metric lacks is refused here and not found missing on an empty panel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.metrics.metric import REPLICA, Metric, MetricKind

JOB = "job"  # given by the scrape; one installation of Mobula each
_OF_SCRAPE = {JOB, "instance"}


class WrongQuery(ValueError):
    """An expression over a metric that cannot have it."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """`operator` is one of =, !=, =~ and !~."""

    operator: str
    value: str


def like(pattern: str) -> Matcher:
    """Values that match a regular expression."""
    return Matcher("=~", pattern)


def unlike(pattern: str) -> Matcher:
    """Values that do not match it."""
    return Matcher("!~", pattern)


Where = str | Matcher


@dataclass(frozen=True, slots=True)
class Queries:
    """Makes expressions. `matchers` hold for every metric that has their label, `keep` are labels
    that no aggregation drops, `window` is that of rates where none is given.
    """

    matchers: Mapping[str, Where] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    window: str = "$__rate_interval"

    def select(self, metric: Metric, *, suffix: str = "", **where: Where) -> str:
        """The series of a metric; of a histogram those of its `suffix`: bucket, sum or count."""
        if (metric.kind is MetricKind.HISTOGRAM) != bool(suffix):
            raise WrongQuery(f"{metric.name} is a {metric.kind}")
        known = {*_labels(metric), *(("le",) if suffix == "bucket" else ())}
        general = {name: value for name, value in self.matchers.items() if name in known}
        for name in where.keys() - known:
            raise WrongQuery(f"{metric.name} has no label '{name}'")
        pairs = [_pair(name, value) for name, value in {**general, **where}.items()]
        name = f"{metric.name}_{suffix}" if suffix else metric.name
        return f"{name}{{{','.join(pairs)}}}" if pairs else name

    def rate(self, metric: Metric, *by: str, window: str = "", **where: Where) -> str:
        """Events a second of all replicas. Each replica's counter is a series of its own, so one
        that ends is no reset of the others."""
        return self._over("rate", metric, by, window, where)

    def increase(self, metric: Metric, *by: str, window: str = "", **where: Where) -> str:
        """Events in the window."""
        return self._over("increase", metric, by, window, where)

    def shared(self, metric: Metric, *by: str, window: str = "", **where: Where) -> str:
        """Events a second that every replica counts alike, so they count once."""
        rates = self.rate(metric, REPLICA, *by, window=window, **where)
        return aggregated("max", rates, self.labels(metric, by))

    def shared_increase(self, metric: Metric, *by: str, window: str = "", **where: Where) -> str:
        """Events in the window that every replica counts alike, so they count once."""
        increases = self.increase(metric, REPLICA, *by, window=window, **where)
        return aggregated("max", increases, self.labels(metric, by))

    def quantile(
        self, quantile: float, metric: Metric, *by: str, window: str = "", **where: Where
    ) -> str:
        """Of a histogram, over all replicas."""
        series = self.select(metric, suffix="bucket", **where)
        rates = self._sum(f"rate({series}[{window or self.window}])", metric, (*by, "le"))
        return f"histogram_quantile({quantile:g}, {rates})"

    def mean(self, metric: Metric, *by: str, window: str = "", **where: Where) -> str:
        """Of what a histogram observed in the window; nothing where it observed nothing."""
        over = f"[{window or self.window}])"
        total = f"rate({self.select(metric, suffix='sum', **where)}{over}"
        count = f"rate({self.select(metric, suffix='count', **where)}{over}"
        return f"{self._sum(total, metric, by)} / ({self._sum(count, metric, by)} > 0)"

    def observed(self, metric: Metric, *by: str, window: str = "", **where: Where) -> str:
        """Observations of a histogram, a second."""
        series = self.select(metric, suffix="count", **where)
        return self._sum(f"rate({series}[{window or self.window}])", metric, by)

    def within(
        self, bound: float, metric: Metric, *by: str, window: str = "", **where: Where
    ) -> str:
        """Observations up to `bound`, which is one of the histogram's buckets, a second."""
        if bound not in metric.buckets:
            raise WrongQuery(f"{metric.name} has no bucket up to {bound:g}")
        # Text 0.0.4 and OpenMetrics write whole bounds differently, and Prometheus 2 keeps both.
        le = like(f"{bound:g}(\\\\.0)?") if float(bound).is_integer() else f"{bound:g}"
        series = self.select(metric, suffix="bucket", le=le, **where)
        return self._sum(f"rate({series}[{window or self.window}])", metric, by)

    def sum(self, metric: Metric, *by: str, **where: Where) -> str:
        """Of a gauge that each replica has for its own part."""
        return self.aggregate("sum", metric, *by, **where)

    def aggregate(self, operator: str, metric: Metric, *by: str, **where: Where) -> str:
        """`operator` is PromQL's: max where replicas see the same thing, min for `up`."""
        return aggregated(
            operator, self.select(metric, suffix="", **where), self.labels(metric, by)
        )

    def labels(self, metric: Metric, by: Sequence[str] = ()) -> tuple[str, ...]:
        """Those of an aggregation by `by`, in the order of `keep`."""
        known = {*_labels(metric), "le"}
        for name in by:
            if name not in known:
                raise WrongQuery(f"{metric.name} has no label '{name}'")
        retained = [name for name in self.keep if name in known and name not in by]
        return (*retained, *by)

    def _over(
        self, function: str, metric: Metric, by: Sequence[str], window: str, where: dict[str, Where]
    ) -> str:
        if metric.kind is not MetricKind.COUNTER:
            raise WrongQuery(f"{metric.name} is no counter")
        series = self.select(metric, suffix="", **where)
        return self._sum(f"{function}({series}[{window or self.window}])", metric, by)

    def _sum(self, expression: str, metric: Metric, by: Sequence[str]) -> str:
        return aggregated("sum", expression, self.labels(metric, by))


def aggregated(operator: str, expression: str, by: Sequence[str] = ()) -> str:
    return f"{operator} by ({', '.join(by)}) ({expression})" if by else f"{operator}({expression})"


def ended(series: str, window: str, by: Sequence[str]) -> str:
    """How many of the series that were there in the window are gone."""
    before = aggregated("count", f"count_over_time({series}[{window}])", by)
    return f"{before} - {or_zero(aggregated('count', series, by), before)}"


def or_zero(expression: str, labelled: str) -> str:
    """The expression; 0 for each labels of `labelled` of which it has no series."""
    return f"({expression} or 0 * {labelled})"


def exceeds(left: str, right: str) -> str:
    """`left` where it is more than `right`, which is 0 while its series does not exist: counters
    begin with their first event."""
    return f"{left} > {or_zero(right, left)}"


def share(part: str, whole: str) -> str:
    """Of the whole, between 0 and 1; nothing where there is no whole."""
    return f"({part}) / ({whole} > 0)"


def _labels(metric: Metric) -> set[str]:
    """What the scrape itself tells is of no replica."""
    return {*metric.labels, *_OF_SCRAPE, *(() if metric.source == "scrape" else (REPLICA,))}


def _pair(name: str, value: Where) -> str:
    matcher = Matcher("=", value) if isinstance(value, str) else value
    return f'{name}{matcher.operator}"{matcher.value}"'
