"""Names in PromQL: which series an expression selects, by which labels, and how it groups them."""

import re
from collections.abc import Iterator

from cluster.metrics.catalogue import CATALOGUE
from cluster.metrics.metric import Metric

_SELECTOR = re.compile(r"(?<![\w:])((?:job:)?mobula_[a-z0-9_:]+|ALERTS)(\{[^}]*\})?")
_MATCHER = re.compile(r'([a-z_]+)(?:=~|!~|!=|=)"')
_GROUPING = re.compile(r"\bby \(([^)]*)\)")
_SUFFIX = re.compile(r"_(bucket|sum|count)$")
OF_ALERTS = {"alertname", "alertstate", "severity", "part"}
OF_SCRAPE = {"job", "instance", "replica"}


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Names of series, and the labels that are matched."""
    for name, matchers in _SELECTOR.findall(expression):
        yield name, set(_MATCHER.findall(matchers))


def groupings(expression: str) -> set[str]:
    """Labels that aggregations keep."""
    return {
        label.strip()
        for labels in _GROUPING.findall(expression)
        for label in labels.split(",")
        if label.strip()
    }


def metric_of(name: str) -> Metric | None:
    """What the catalogue declares under a series' name."""
    found = CATALOGUE.get(name)
    if found is not None:
        return None if found.buckets else found
    histogram = CATALOGUE.get(_SUFFIX.sub("", name))
    return histogram if histogram is not None and histogram.buckets else None


def labels_of(expression: str) -> set[str]:
    """Every label that one of the expression's series can have."""
    known = {*OF_SCRAPE, "le"}
    for name, _ in selectors(expression):
        metric = metric_of(name)
        known |= OF_ALERTS if name == "ALERTS" else set(metric.labels if metric else ())
    return known
