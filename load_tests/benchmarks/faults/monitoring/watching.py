"""Prometheus over a WatchedCluster, and what the dashboards' panels show of it.

In: a cluster, the dashboards. Out: series of panels, as Grafana would ask for them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from cluster.production.alerts.files import groups
from cluster.production.alerts.slo import Objectives
from cluster.production.dashboards.files import dashboards
from cluster.production.dashboards.panel import Dashboard, Panel
from load_tests.benchmarks.common.prometheus_process import PrometheusProcess
from load_tests.benchmarks.faults.injections.watched_cluster import WatchedCluster

SCRAPE_S = 5
JOB = "mobula"
# As Grafana chooses it: four scrapes.
RATE_S = 4 * SCRAPE_S
_VARIABLE = re.compile(r"\$(?!__)[a-z]+")

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One series of a panel: its legend, and Unix seconds and values."""

    legend: str
    points: Points


def prometheus_of(cluster: WatchedCluster, scale: float = 1.0) -> PrometheusProcess:
    """It scrapes the cluster, and evaluates the rules with their times scaled."""
    scheme, _, credentials = cluster.http.headers["Authorization"].partition(" ")
    scrape = {
        "job_name": JOB,
        "scrape_interval": f"{SCRAPE_S}s",
        "scrape_timeout": f"{SCRAPE_S}s",
        "authorization": {"type": scheme, "credentials": credentials},
        "static_configs": [{"targets": [urlsplit(cluster.url).netloc]}],
    }
    rules = {"groups": groups(Objectives(), scale=scale)}
    config: dict[str, Any] = {
        "global": {"evaluation_interval": f"{SCRAPE_S}s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [scrape],
    }
    return PrometheusProcess(config, {"rules.yml": yaml.safe_dump(rules)})


def every_panel() -> Iterator[tuple[Dashboard, Panel]]:
    for dashboard in dashboards(Objectives()):
        for panel in dashboard.panels:
            yield dashboard, panel


def lines_of(prometheus: PrometheusProcess, panel: Panel, since: float, until: float) -> list[Line]:
    """What a panel draws between two times."""
    found = []
    for shown in panel.queries:
        expression = filled_in(shown.expression, until - since)
        for labels, points in prometheus.query_range(expression, since, until, SCRAPE_S):
            found.append(Line(_legend(shown.legend, labels), points))
    return found


def filled_in(expression: str, range_s: float) -> str:
    """With all values for each variable, and the intervals that Grafana would take."""
    expression = expression.replace("$__rate_interval", f"{RATE_S}s")
    expression = expression.replace("$__range", f"{max(RATE_S, round(range_s))}s")
    expression = expression.replace("$job", JOB)
    return _VARIABLE.sub(".*", expression)


def _legend(template: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template)
