"""`./mobula bench panels`: whether every panel of the dashboards has data, in a real Prometheus.

`./mobula up -d` in a home and on ports of its own under traffic of every kind, scraped by Debian's
Prometheus. Every query of every panel is asked as Grafana would; a panel that says when it has no
data may be empty. Then clients leave, before a response and in the middle of a stream, and requests
fail: failures are on the overview within 30 s, clients that left are not among them, and no panel
about requests is red because of them.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cluster.production.dashboards.overview import BY_OUTCOME
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.common.prometheus_process import PrometheusProcess
from load_tests.benchmarks.faults.injections.watched_cluster import WatchedCluster
from load_tests.benchmarks.faults.monitoring.traffic_kinds import (
    TrafficOfEveryKind,
    fail_in_time,
    leave_early,
    leave_streams,
)
from load_tests.benchmarks.faults.monitoring.watching import (
    RATE_S,
    SCRAPE_S,
    every_panel,
    filled_in,
    lines_of,
    prometheus_of,
)
from load_tests.benchmarks.faults.monitoring.wrong_panels import blamed_requests, look
from load_tests.machine import describe_machine

SEEN_S = 30.0
REQUESTS = 12


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="mob-") as folder,
        WatchedCluster.started(Path(folder)) as cluster,
        prometheus_of(cluster) as prometheus,
    ):
        began = time.time()
        with TrafficOfEveryKind(cluster):
            time.sleep(options.seconds / 2)
            leave_early(cluster, REQUESTS)
            leave_streams(cluster, REQUESTS)
            time.sleep(options.seconds / 2)
        empty, filled = look_at_panels(prometheus, began)
        measurements = [
            Measurement("panels", "with data", len(filled)),
            Measurement("panels", "empty without a reason", len(_wrong(empty)), at_most=0),
            *follow_failures(cluster, prometheus),
        ]
    console.print(build_table(measurements))
    console.print(_table(empty))
    report = {
        "benchmark": "panels",
        "machine": describe_machine(),
        "conditions": {"seconds": options.seconds, "scrape_s": SCRAPE_S},
        "rows": [measurement.to_dict() for measurement in measurements],
        "empty": [{"dashboard": d, "panel": p, "reason": r} for d, p, r in empty],
        "passed": all_met(measurements),
    }
    return finish_benchmark(report, bool(report["passed"]), options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench panels", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="of traffic [%(default)s]")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


Empty = tuple[str, str, str]  # dashboard, panel, and when that is right


def look_at_panels(
    prometheus: PrometheusProcess, since: float
) -> tuple[list[Empty], list[tuple[str, str]]]:
    """Panels without data, and with data. Raises ValueError for a query that is refused."""
    empty: list[Empty] = []
    filled = []
    for dashboard, panel in every_panel():
        lines = lines_of(prometheus, panel, since, time.time())
        if any(not math.isnan(value) for line in lines for _, value in line.points):
            filled.append((dashboard.uid, panel.title))
        else:
            empty.append((dashboard.uid, panel.title, panel.fills_in))
    return empty, filled


def follow_failures(cluster: WatchedCluster, prometheus: PrometheusProcess) -> list[Measurement]:
    """Clients that leave are no failures; failures are seen in time."""
    time.sleep(RATE_S + 2 * SCRAPE_S)  # until nothing of what was before counts
    before, began_at = requests_a_second(prometheus, "server_error"), time.time()
    blamed = blamed_requests(look(prometheus, began_at - SCRAPE_S, began_at))
    leave_early(cluster, REQUESTS)
    leave_streams(cluster, REQUESTS)
    time.sleep(3 * SCRAPE_S)
    of_left = requests_a_second(prometheus, "server_error") - before
    left = requests_a_second(prometheus, "left")
    blamed_then = blamed_requests(look(prometheus, began_at, time.time()))
    failed = fail_in_time(cluster, REQUESTS)
    began, seen_s = time.monotonic(), math.inf
    while time.monotonic() - began < 2 * SEEN_S:
        if requests_a_second(prometheus, "server_error") > before:
            seen_s = time.monotonic() - began
            break
        time.sleep(0.5)
    return [
        Measurement("clients that left", "seen as such", left, "/s", at_least=0.001),
        Measurement("clients that left", "counted as failures", of_left, "/s", at_most=0),
        Measurement("clients that left", "red panels", len(blamed_then - blamed), at_most=0),
        Measurement("requests that failed", "answered 5xx", failed, at_least=1),
        Measurement(
            "requests that failed", "seen on the overview after", seen_s, "s", at_most=SEEN_S
        ),
    ]


def requests_a_second(prometheus: PrometheusProcess, outcome: str) -> float:
    """As the overview has them."""
    found = prometheus.query(filled_in(BY_OUTCOME, RATE_S))
    return sum(value for labels, value in found if labels["outcome"] == outcome)


def _wrong(empty: Sequence[Empty]) -> list[Empty]:
    return [each for each in empty if not each[2]]


def _table(empty: Sequence[Empty]) -> Table:
    table = Table("dashboard", "panel without data", "which is right when")
    for dashboard, panel, reason in empty:
        table.add_row(dashboard, panel, reason or "NEVER")
    return table


if __name__ == "__main__":
    sys.exit(main())
