"""`./mobula bench health`: whether the part at fault is found, for eight faults of a real cluster.

`./mobula up -d` in a home and on ports of its own, with a Redis, a small disk and a receiver of
webhooks; needs Linux and root, for the disk. One fault after the other is injected under a little
traffic and mended again. Measured is after how many seconds `mobula health` shows the dependency
that is at fault, after how many it is up again, and what a sample of /metrics says before the fault
and while it lasts.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.faults.injections.calm_traffic import CalmTraffic
from load_tests.benchmarks.faults.injections.lasting_faults import LASTING_FAULTS, LastingFault
from load_tests.benchmarks.faults.injections.samples import sum_samples
from load_tests.benchmarks.faults.injections.watched_cluster import (
    FRAIL,
    STEADY,
    WatchedCluster,
)
from load_tests.machine import describe_machine

SHOWN_S, BACK_S = 35.0, 60.0  # the promise: see docs/guides/operations.md
POLL_S = 0.5
LASTS_S = 20.0  # of a fault that no dependency shows


@dataclass
class FaultSighting:
    """What an operator saw of one fault; seconds since it was injected, and since it was mended.
    `others` are the other dependencies that were not up meanwhile, with their worst states."""

    fault: str
    part: str
    dependency: str | None
    metric: str
    state: str = ""
    detail: str = ""
    shown_s: float | None = None
    back_s: float | None = None
    before: float | None = None
    during: float | None = None
    others: dict[str, str] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="mob-") as folder,
        WatchedCluster.started(Path(folder)) as cluster,
        CalmTraffic(cluster.url, cluster.keys["calm"], (STEADY, FRAIL)),
    ):
        sightings = []
        for name in options.fault:
            cluster.wait_until_calm()
            console.print(f"{name} ...")
            sightings.append(watch_fault(cluster, LASTING_FAULTS[name], options.lasts))
    measurements = [each for sighting in sightings for each in build_measurements(sighting)]
    console.print(build_table(measurements))
    console.print(_build_table(sightings))
    report = {
        "benchmark": "health",
        "machine": describe_machine(),
        "conditions": {"faults": options.fault},
        "rows": [measurement.to_dict() for measurement in measurements],
        "sightings": [asdict(sighting) for sighting in sightings],
        "passed": all_met(measurements),
    }
    return finish_benchmark(report, bool(report["passed"]), options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench health", description=__doc__)
    parser.add_argument("--fault", action="append", choices=[*LASTING_FAULTS], help="[all]")
    parser.add_argument(
        "--lasts", type=float, default=LASTS_S, help="seconds that a fault lasts at least"
    )
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    options = parser.parse_args(argv)
    options.fault = options.fault or [*LASTING_FAULTS]
    return options


def watch_fault(cluster: WatchedCluster, fault: LastingFault, lasts_s: float) -> FaultSighting:
    """Injects it until its dependency shows it and `lasts_s` have passed, then mends it."""
    seen = FaultSighting(fault.name, fault.part, fault.dependency, fault.metric)
    seen.before = _sample(cluster, fault.metric)
    with fault.inject(cluster):
        began = time.monotonic()
        while _goes_on(seen, time.monotonic() - began, lasts_s):
            time.sleep(POLL_S)
            _look(cluster, seen, time.monotonic() - began)
        seen.during = _sample(cluster, fault.metric)
    mended = time.monotonic()
    if fault.dependency is not None:
        try:
            cluster.wait_until_calm(BACK_S)
            seen.back_s = time.monotonic() - mended
        except AssertionError:
            seen.detail += f"; still not up: {dict(cluster.faults())}"
    return seen


def build_measurements(seen: FaultSighting) -> list[Measurement]:
    if seen.dependency is None:
        change = abs((seen.during or 0.0) - (seen.before or 0.0))
        return [Measurement(seen.fault, "change of its metric", change, at_least=1)]
    shown = math.inf if seen.shown_s is None else seen.shown_s
    back = math.inf if seen.back_s is None else seen.back_s
    return [
        Measurement(seen.fault, f"'{seen.dependency}' shown", shown, "s", at_most=SHOWN_S),
        Measurement(seen.fault, "every dependency up again", back, "s", at_most=BACK_S),
    ]


def _goes_on(seen: FaultSighting, elapsed_s: float, lasts_s: float) -> bool:
    waits = seen.dependency is not None and seen.shown_s is None and elapsed_s < 2 * SHOWN_S
    return waits or elapsed_s < lasts_s


def _look(cluster: WatchedCluster, seen: FaultSighting, elapsed_s: float) -> None:
    try:
        found = cluster.dependencies()
    except httpx.HTTPError as error:
        seen.others["api"] = type(error).__name__
        return
    for name, each in found.items():
        if each["state"] not in ("degraded", "down"):
            continue
        if name != seen.dependency:
            seen.others[name] = _worse(seen.others.get(name, ""), each["state"])
            continue
        seen.shown_s = elapsed_s if seen.shown_s is None else seen.shown_s
        seen.state, seen.detail = _worse(seen.state, each["state"]), each["detail"]


def _worse(before: str, now: str) -> str:
    return "down" if "down" in (before, now) else now


def _sample(cluster: WatchedCluster, metric: str) -> float | None:
    try:
        return sum_samples(cluster.metrics(), metric)
    except httpx.HTTPError:
        return None


def _build_table(sightings: Sequence[FaultSighting]) -> Table:
    table = Table("fault", "dependency", "what it says", "also", "metric", "before", "during")
    for seen in sightings:
        table.add_row(
            seen.fault,
            f"{seen.dependency}: {seen.state}" if seen.dependency else "none",
            seen.detail,
            _listed(seen.others),
            seen.metric,
            _shown(seen.before),
            _shown(seen.during),
        )
    return table


def _listed(states: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {state}" for name, state in states.items())


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"


if __name__ == "__main__":
    sys.exit(main())
