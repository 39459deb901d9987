"""What a metric is: its name, kind, unit and labels, as the catalogue declares them.

In: declarations, checked when their module is imported. Out: what processes count under, and what
`/metrics`, docs/metrics.md, dashboards and rules are made from.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

OTHER = "other"  # stands for the label values beyond a metric's cap
CAP = 200  # label sets of a metric in one replica
UNITS = ("seconds", "bytes", "ratio", "celsius")  # base units, which end a name
REPLICA = "replica"  # the label that the scrape adds to every sample
# Of generated work; the same as the gen_ai conventions have for servers.
LATENCY_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Of tokens, one after another; the same as the gen_ai conventions have, and smaller ones below.
TOKEN_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
# Of what this product adds to a model's time.
OVERHEAD_S = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
# Of jobs and their stages: minutes and hours.
JOB_S = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0, 7200.0)
# Log-scale: a quantile is off by at most half of a factor of two.
DURATION_S = tuple(0.01 * 2**power for power in range(14))

_NAME = re.compile(r"mobula_[a-z][a-z0-9_]*")
_LABEL = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = {REPLICA, "le", "quantile", "job", "instance"}


class MetricKind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of series. `labels` are in the order of their values; if more than `cap` sets of
    values turn up in one replica, OTHER stands for the first value of further ones. `source` is
    the process that counts. `buckets` are a histogram's upper bounds, without the last, infinite
    one. `labels_from` says where the values of labels come from.
    """

    name: str
    kind: MetricKind
    help: str
    source: str
    labels: tuple[str, ...] = ()
    cap: int = CAP
    buckets: tuple[float, ...] = ()
    labels_from: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a name or a label that Prometheus' conventions do not allow."""
        is_counter = self.kind is MetricKind.COUNTER
        if not _NAME.fullmatch(self.name) or self.name.endswith("_total") != is_counter:
            raise ValueError(f"'{self.name}' is no name of a {self.kind}")
        for label in self.labels:
            if not _LABEL.fullmatch(label) or label in _RESERVED:
                raise ValueError(f"{self.name}: '{label}' is no label")
        if bool(self.buckets) != (self.kind is MetricKind.HISTOGRAM):
            raise ValueError(f"{self.name}: only histograms have buckets, and all of them do")
        if list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"{self.name}: its buckets do not rise")
        if self.cap < 1:
            raise ValueError(f"{self.name}: its cap is below 1")

    @property
    def family(self) -> str:
        """The name without `_total`, as OpenMetrics has it."""
        return self.name.removesuffix("_total")

    @property
    def unit(self) -> str:
        """The base unit in which the name ends; empty where it counts things."""
        return next((unit for unit in UNITS if self.family.endswith(f"_{unit}")), "")

    def capped(self, values: Sequence[str]) -> tuple[str, ...]:
        """The label values that stand for `values` where there are too many of them."""
        return (OTHER, *values[1:])


def counter(
    name: str,
    help: str,
    *,
    source: str,
    labels: tuple[str, ...] = (),
    cap: int = CAP,
    labels_from: str = "",
) -> Metric:
    """Only rises while its process lives; its name ends in `_total`."""
    return Metric(name, MetricKind.COUNTER, help, source, labels, cap, (), labels_from)


def gauge(
    name: str,
    help: str,
    *,
    source: str,
    labels: tuple[str, ...] = (),
    cap: int = CAP,
    labels_from: str = "",
) -> Metric:
    """A state now."""
    return Metric(name, MetricKind.GAUGE, help, source, labels, cap, (), labels_from)


def histogram(
    name: str,
    help: str,
    *,
    source: str,
    labels: tuple[str, ...] = (),
    cap: int = CAP,
    buckets: tuple[float, ...] = DURATION_S,
    labels_from: str = "",
) -> Metric:
    """Counts observations by size, in `buckets` and one beyond them."""
    return Metric(name, MetricKind.HISTOGRAM, help, source, labels, cap, buckets, labels_from)
