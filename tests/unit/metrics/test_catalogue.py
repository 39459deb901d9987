"""The catalogue: documented, conventional, and the only source of names."""

import re
from pathlib import Path

from cluster.metrics.catalogue import CATALOGUE
from cluster.metrics.documentation import document
from cluster.metrics.metric import UNITS, MetricKind

ROOT = Path(__file__).parents[3]
PARTS = ("cluster", "deployments", "graphs")
READ = re.compile(r"\b(?:\w+\.|import )[A-Z][A-Z_]*\b")


def test_the_page_of_metrics_is_current() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert page == document(), "python -m cluster.metrics > docs/metrics.md"


def test_every_metric_says_what_it_is() -> None:
    for metric in CATALOGUE.values():
        assert metric.help.endswith("."), metric.name
        assert metric.source, metric.name
        assert bool(metric.labels) == bool(metric.labels_from), metric.name


def test_times_are_in_seconds() -> None:
    for metric in CATALOGUE.values():
        assert not re.search(r"_(ms|milliseconds|minutes|kib|mib)(_|$)", metric.name), metric.name
        if metric.kind is MetricKind.HISTOGRAM:
            assert metric.unit in UNITS, metric.name


def test_every_metric_is_read_somewhere() -> None:
    """By its name in code: `http.REQUESTS` and the like."""
    catalogue = ROOT / "cluster" / "metrics" / "catalogue"
    read: set[str] = set()
    for part in PARTS:
        for path in (ROOT / part).rglob("*.py"):
            if catalogue not in path.parents:
                read.update(READ.findall(path.read_text()))
    names_of_objects = {each.rpartition(".")[2] for each in read if "_metrics." in each}
    for path in sorted(catalogue.glob("[a-z]*.py")):
        names = re.findall(
            r"^([A-Z][A-Z_]*) = (?:counter|gauge|histogram)\(", path.read_text(), re.M
        )
        for name in names:
            ways = {f"{path.stem}.{name}", f"import {name}"}
            assert ways & read or name in names_of_objects, f"{path.stem}.{name}"


def test_no_other_code_makes_metrics() -> None:
    """Nothing is exposed that the catalogue does not declare."""
    for part in PARTS:
        for path in (ROOT / part).rglob("*.py"):
            assert "prometheus_client" not in path.read_text(), path
