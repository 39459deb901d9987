"""`./mobula bench alerts`: which alert fires for which fault, and what the overview then shows.

`./mobula up -d` in a home and on ports of its own under a little traffic, scraped by Debian's
Prometheus with our rules, whose times are scaled. First nothing is wrong, and nothing may fire;
then one fault after the other is injected. An alert has to fire within its `for` and 30 s, and a
panel of the overview's row "What is wrong" has to name the part that is at fault. Needs Linux and
root, for a small disk.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.common.prometheus_process import PrometheusProcess
from load_tests.benchmarks.faults.injections.calm_traffic import CalmTraffic
from load_tests.benchmarks.faults.injections.watched_cluster import (
    FRAIL,
    STEADY,
    WatchedCluster,
)
from load_tests.benchmarks.faults.monitoring.alert_trials import TRIALS, AlertTrial
from load_tests.benchmarks.faults.monitoring.picture import draw
from load_tests.benchmarks.faults.monitoring.watching import prometheus_of
from load_tests.benchmarks.faults.monitoring.wrong_panels import PanelView, look
from load_tests.machine import describe_machine

BEFORE_S = 30.0  # of a fault, in its picture
SETTLED_S = 300.0  # the longest cooldown of a scaled rule, and what a fault leaves behind
POLL_S = 1.0
_FIRING = 'ALERTS{alertstate="firing",alertname=~"Mobula.*"}'


@dataclass
class TrialResult:
    """Seconds until an alert of the fault's fired (None: none did); `also` fired beside it.
    `wrong` are the overview's panels that said so, with the names of their lines."""

    fault: str
    limit_s: float
    fired: str = ""
    fired_s: float | None = None
    also: list[str] = field(default_factory=list)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    is_named: bool | None = None


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    results: list[TrialResult] = []
    pictures: dict[str, Sequence[PanelView]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="mob-") as folder,
        WatchedCluster.started(Path(folder)) as cluster,
        prometheus_of(cluster, options.scale) as prometheus,
        CalmTraffic(cluster.url, cluster.keys["calm"], (STEADY, FRAIL)),
    ):
        cluster.wait_until_calm()
        false = soak(prometheus, options.soak)
        for name in options.fault:
            console.print(f"{name} ...")
            result, pictures[name] = run_trial(cluster, prometheus, TRIALS[name], options.scale)
            results.append(result)
            console.print(
                f"  {result.fired or 'no alert'} after {result.fired_s or math.inf:.0f} s"
            )
            console.print(f"  calm after {settle(cluster, prometheus):.0f} s")
    measurements = [
        Measurement("soak", "false alerts", len(false), at_most=0),
        *(each for result in results for each in build_measurements(result)),
    ]
    console.print(build_table(measurements))
    console.print(_table(results))
    if options.picture:
        earlier = options.picture.read_text() if options.picture.exists() else ""
        options.picture.write_text(draw(pictures, earlier))
    report = {
        "benchmark": "alerts",
        "machine": describe_machine(),
        "conditions": {"scale": options.scale, "soak_s": options.soak, "faults": options.fault},
        "rows": [measurement.to_dict() for measurement in measurements],
        "false": false,
        "trials": [asdict(result) for result in results],
        "passed": all_met(measurements),
    }
    return finish_benchmark(report, bool(report["passed"]), options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench alerts", description=__doc__)
    parser.add_argument("--fault", action="append", choices=[*TRIALS], help="[all]")
    parser.add_argument(
        "--scale", type=float, default=0.1, help="of `for`, cooldowns and windows [%(default)s]"
    )
    parser.add_argument(
        "--soak", type=float, default=60, help="seconds without a fault, before [%(default)s]"
    )
    parser.add_argument(
        "--picture",
        type=Path,
        help="draw the overview's panels here, as SVG; other faults' rows stay",
    )
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    options = parser.parse_args(argv)
    options.fault = options.fault or [*TRIALS]
    return options


def firing(prometheus: PrometheusProcess) -> set[str]:
    return {labels["alertname"] for labels, _ in prometheus.query(_FIRING)}


def soak(prometheus: PrometheusProcess, lasts_s: float) -> list[str]:
    """Alerts that fire although nothing is wrong."""
    found: set[str] = set()
    until = time.monotonic() + lasts_s
    while time.monotonic() < until:
        time.sleep(POLL_S)
        found |= firing(prometheus)
    return sorted(found)


def run_trial(
    cluster: WatchedCluster, prometheus: PrometheusProcess, trial: AlertTrial, scale: float
) -> tuple[TrialResult, Sequence[PanelView]]:
    """Injects the fault until its alert fires, or for twice the time that this may take."""
    result = TrialResult(trial.fault, trial.limit_s(scale))
    already = firing(prometheus)
    with trial.inject(cluster):
        began, since = time.monotonic(), time.time() - BEFORE_S
        while time.monotonic() - began < 2 * result.limit_s:
            time.sleep(POLL_S)
            now = firing(prometheus) - already
            if found := now & set(trial.alerts):
                result.fired, result.fired_s = min(found), time.monotonic() - began
                break
        result.also = sorted((firing(prometheus) - already) - set(trial.alerts))
        views = look(prometheus, since, time.time())
    result.wrong = {view.panel.title: [*view.wrong] for view in views if view.wrong}
    if trial.legend:
        lines = [line for title in trial.panels for line in result.wrong.get(title, ())]
        result.is_named = any(trial.legend in line for line in lines)
    return result, views


def settle(cluster: WatchedCluster, prometheus: PrometheusProcess) -> float:
    """Seconds until nothing is wrong and no alert fires; SETTLED_S if that takes longer."""
    began = time.monotonic()
    while time.monotonic() - began < SETTLED_S and (cluster.faults() or firing(prometheus)):
        time.sleep(POLL_S)
    return time.monotonic() - began


def build_measurements(result: TrialResult) -> list[Measurement]:
    fired_s = math.inf if result.fired_s is None else result.fired_s
    fired = Measurement(result.fault, "alert after", fired_s, "s", at_most=result.limit_s)
    if result.is_named is None:
        return [fired]
    named = Measurement(result.fault, "named on the overview", float(result.is_named), at_least=1)
    return [fired, named]


def _table(results: Sequence[TrialResult]) -> Table:
    table = Table("fault", "alert", "also", "wrong on the overview")
    for result in results:
        wrong = "; ".join(f"{title}: {', '.join(lines)}" for title, lines in result.wrong.items())
        table.add_row(result.fault, result.fired or "NONE", ", ".join(result.also), wrong)
    return table


if __name__ == "__main__":
    sys.exit(main())
