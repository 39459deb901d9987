"""What dashboards are made of: queries, panels, rows, variables.

In: expressions over the catalogue. Out: values that grafana.py writes as JSON. Units and
descriptions come from the metrics where a panel does not say otherwise.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.metrics.catalogue import CATALOGUE
from cluster.metrics.metric import Metric

WIDTH = 24  # of Grafana's grid
_NAME = re.compile(r"(?<![:\w])mobula_[a-z0-9_]+")  # recorded series have a colon before it
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


class PanelUnit(StrEnum):
    """Grafana's names of units."""

    SECONDS = "s"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    RATIO = "percentunit"
    CELSIUS = "celsius"
    EVENTS = "cps"  # a second
    REQUESTS = "reqps"
    COUNT = "short"
    PLAIN = "none"


class PanelKind(StrEnum):
    TIMESERIES = "timeseries"
    STAT = "stat"
    TABLE = "table"
    STATES = "state-timeline"
    BARS = "bargauge"


class Color(StrEnum):
    """Grafana's names of colors."""

    GREEN = "green"
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class ThresholdStep:
    """From `value` on, the color is another one; None: from the least value on."""

    color: Color
    value: float | None = None


def rising(warning: float, critical: float) -> tuple[ThresholdStep, ...]:
    """Thresholds of what is good while it is low."""
    return (
        ThresholdStep(Color.GREEN),
        ThresholdStep(Color.YELLOW, warning),
        ThresholdStep(Color.RED, critical),
    )


def falling(critical: float, warning: float) -> tuple[ThresholdStep, ...]:
    """Thresholds of what is good while it is high."""
    return (
        ThresholdStep(Color.RED),
        ThresholdStep(Color.YELLOW, critical),
        ThresholdStep(Color.GREEN, warning),
    )


ANY_IS_WRONG = (ThresholdStep(Color.GREEN), ThresholdStep(Color.RED, 0.0001))
NEUTRAL = (ThresholdStep(Color.BLUE),)


@dataclass(frozen=True, slots=True)
class Shown:
    """One expression of a panel; `legend` is what its series are called: text with {{label}}."""

    expression: str
    legend: str
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """`queries` are drawn together. `about` explains what the metrics' help does not. None for
    `unit`: that of the first metric. `texts` are what is shown in place of values. `link` is the
    dashboard that shows more. `columns` are a table's labels, in this order; then the value.
    `fills_in` says when it has no data while everything is well."""

    title: str
    queries: tuple[Shown, ...]
    kind: PanelKind = PanelKind.TIMESERIES
    unit: PanelUnit | None = None
    about: str = ""
    width: int = 8
    height: int = 8
    thresholds: tuple[ThresholdStep, ...] = NEUTRAL
    minimum: float | None = 0
    maximum: float | None = None
    decimals: int | None = None
    is_stacked: bool = False
    texts: dict[float, tuple[str, Color]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    value_name: str = ""
    link: str = ""
    fills_in: str = ""

    @property
    def expressions(self) -> tuple[str, ...]:
        return tuple(query.expression for query in self.queries)

    @property
    def metrics(self) -> list[Metric]:
        """Declared ones that it reads, in their order."""
        return list(metrics_in(" ".join(self.expressions)))

    @property
    def shown_unit(self) -> PanelUnit:
        return self.unit if self.unit is not None else unit_of(self.expressions[0])

    @property
    def description(self) -> str:
        helps = dict.fromkeys(metric.help for metric in self.metrics)
        parts = [self.about, *helps, self.fills_in and f"Without data: {self.fills_in}"]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class DashboardVariable:
    """Values of `label` that the series of `metric` have; one at a time unless `is_multiple`."""

    label: str
    metric: Metric
    is_multiple: bool = True


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`uid` is fixed: links name it."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[DashboardVariable, ...] = ()
    since: str = "now-3h"

    @property
    def panels(self) -> Iterator[Panel]:
        for row in self.rows:
            yield from row.panels


def metrics_in(expression: str) -> Iterator[Metric]:
    """Metrics of the catalogue whose series an expression names. Raises KeyError for a name that is
    not declared."""
    seen = set()
    for name in _NAME.findall(expression):
        metric = CATALOGUE.get(name) or CATALOGUE[_SUFFIX.sub("", name)]
        if metric.name not in seen:
            seen.add(metric.name)
            yield metric


def unit_of(expression: str) -> PanelUnit:
    """As the first metric and what is done to it say. A quotient of two needs a unit of its own."""
    metric = next(metrics_in(expression), None)
    is_rate = re.search(r"\brate\(", expression) and "histogram_quantile" not in expression
    unit = "" if metric is None else metric.unit
    if is_rate:
        return PanelUnit.BYTES_PER_SECOND if unit == "bytes" else PanelUnit.EVENTS
    units = {"seconds": PanelUnit.SECONDS, "bytes": PanelUnit.BYTES, "ratio": PanelUnit.RATIO}
    return {**units, "celsius": PanelUnit.CELSIUS}.get(unit, PanelUnit.COUNT)
