"""Reports of replicas as Prometheus reads them, in both formats; parsers of the library agree."""

import math
import subprocess

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from cluster.metrics.catalogue import CATALOGUE
from cluster.metrics.exposition import ReplicaReport, render, wants_openmetrics
from cluster.metrics.metric import Metric, MetricKind, counter, gauge, histogram
from cluster.metrics.series import Counter, Histogram, MetricReport, MetricSet, Sample
from tests.servers.process import program

REQUESTS = counter("mobula_tested_total", "Tested.", source="test", labels=("path",))
WAITS = histogram("mobula_tested_seconds", "Waited.", source="test", buckets=(0.5, 1.0))
UP = gauge("mobula_tested_up", "Up.", source="test")
TESTED = (REQUESTS, WAITS, UP)


def one_of_each() -> MetricReport:
    """Every metric of the catalogue, with two label sets where it has labels."""

    def value(metric: Metric) -> list[Sample]:
        counts = [1] * (len(metric.buckets) + 1)
        sample = (counts, 2.5, {}) if metric.kind is MetricKind.HISTOGRAM else 3
        return [(tuple(f"{label}{n}" for label in metric.labels), sample) for n in range(1, 3)]

    return {
        name: value(metric) if metric.labels else value(metric)[:1]
        for name, metric in CATALOGUE.items()
    }


def lines(*reports: ReplicaReport, openmetrics: bool = False) -> list[str]:
    return render(TESTED, reports, openmetrics=openmetrics).decode().splitlines()


async def test_every_replica_has_a_series_of_its_own() -> None:
    first, second = Counter(REQUESTS), Counter(REQUESTS)
    first.add(("/a",), 3)
    second.add(("/a",), 4)

    found = lines(
        ReplicaReport("x", await MetricSet(first.read).report()),
        ReplicaReport("y", await MetricSet(second.read).report()),
    )

    assert found == [
        "# HELP mobula_tested_total Tested.",
        "# TYPE mobula_tested_total counter",
        'mobula_tested_total{path="/a",replica="x"} 3',
        'mobula_tested_total{path="/a",replica="y"} 4',
    ]


async def test_buckets_are_cumulated_and_end_with_all() -> None:
    waits = Histogram(WAITS)
    for seconds in (0.25, 0.75, 3.0):
        waits.observe((), seconds)
    assert lines(ReplicaReport("x", await MetricSet(waits.read).report()))[2:] == [
        'mobula_tested_seconds_bucket{replica="x",le="0.5"} 1',
        'mobula_tested_seconds_bucket{replica="x",le="1"} 2',
        'mobula_tested_seconds_bucket{replica="x",le="+Inf"} 3',
        'mobula_tested_seconds_sum{replica="x"} 4',
        'mobula_tested_seconds_count{replica="x"} 3',
    ]


async def test_openmetrics_has_units_exemplars_and_an_end() -> None:
    waits = Histogram(WAITS)
    waits.observe((), 0.75)
    waits.exemplify((), 0.75, "4bf92f3577b34da6a3ce929d0e0e4736", 1_700_000_000.5)

    found = lines(ReplicaReport("x", await MetricSet(waits.read).report()), openmetrics=True)

    assert "# UNIT mobula_tested_seconds seconds" in found
    assert (
        'mobula_tested_seconds_bucket{replica="x",le="1.0"} 1 '
        '# {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.75 1700000000.500'
    ) in found
    assert found[-1] == "# EOF"


def test_a_report_about_no_replica_has_no_such_label() -> None:
    report = {"mobula_tested_up": [((), 1.0)]}
    assert lines(ReplicaReport("", report))[-1] == "mobula_tested_up 1"


async def test_label_values_are_escaped() -> None:
    requests = Counter(REQUESTS)
    requests.add(('a"\\b\nc',))
    text = render(TESTED, [ReplicaReport("x", await MetricSet(requests.read).report())]).decode()

    [family] = parse_text(text)

    assert family.samples[0].labels["path"] == 'a"\\b\nc'


@pytest.mark.parametrize(
    "report",
    [
        {"mobula_unknown_total": [((), 1.0)]},
        {"mobula_tested_total": [((), 1.0)]},
        {"mobula_tested_seconds": [((), ((1, 2), 1.0, {}))]},
        {"mobula_tested_up": [((), ((1, 2, 3), 1.0, {}))]},
    ],
    ids=["undeclared", "other labels", "other buckets", "another kind"],
)
def test_what_another_version_declares_otherwise_is_left_out(report: MetricReport) -> None:
    assert lines(ReplicaReport("x", report)) == []


def test_the_whole_catalogue_is_read_back_by_the_parsers_of_prometheus() -> None:
    reports = [ReplicaReport(name, one_of_each()) for name in ("x", "y")]
    text = render(CATALOGUE.values(), reports).decode()
    opened = render(CATALOGUE.values(), reports, openmetrics=True).decode()

    old = {sample.name for family in parse_text(text) for sample in family.samples}
    new = {sample.name for family in parse_openmetrics(opened) for sample in family.samples}

    assert old == new
    assert {family.name for family in parse_openmetrics(opened)} == {
        metric.family for metric in CATALOGUE.values()
    }


def test_numbers_are_exact() -> None:
    large = 2**53 - 1
    for value in (large, 0.1, 1e-9, math.pi):
        text = render(TESTED, [ReplicaReport("x", {"mobula_tested_up": [((), value)]})]).decode()
        [family] = parse_text(text)
        assert family.samples[0].value == value


def test_promtool_finds_nothing_to_say() -> None:
    promtool = program("promtool")
    text = render(CATALOGUE.values(), [ReplicaReport("x", one_of_each())])
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", True),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.5", False),
        ("application/openmetrics-text;q=none", False),
    ],
)
def test_openmetrics_is_sent_to_whoever_prefers_it(accept: str, preferred: bool) -> None:
    assert wants_openmetrics(accept) is preferred
