"""`./mobula bench failover`: what callers notice when replicas die, hang or fall ill.

One cluster; its models are echo models with a pace, so that their capacity is slots and not
cores. What is found is judged against the promises of docs/guides/resilience.md.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.faults.failover import (
    all_replicas_dead,
    degraded_replica,
    killed_replica,
)
from load_tests.machine import describe_machine

SCENARIOS = ("killed", "gray", "dead")


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    with LocalServe() as local:
        measurements = asyncio.run(_measure(local, options, console))
    console.print(build_table(measurements))
    report = {
        "benchmark": "failover",
        "machine": describe_machine(),
        "conditions": {"seconds": options.seconds, "scenarios": options.scenario or SCENARIOS},
        "rows": [measurement.to_dict() for measurement in measurements],
        "passed": all_met(measurements),
    }
    return finish_benchmark(report, bool(report["passed"]), options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench failover", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each phase")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only these")
    parser.add_argument(
        "--fault",
        action="append",
        choices=("stopped", "slow", "hanging"),
        help="of the gray replica, only these",
    )
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


async def _measure(
    local: LocalServe, options: argparse.Namespace, console: Console
) -> list[Measurement]:
    wanted = options.scenario or SCENARIOS
    measurements: list[Measurement] = []
    if "killed" in wanted:
        console.print("one of three replicas is killed ...")
        measurements += await killed_replica.measure(local, options.seconds)
    if "gray" in wanted:
        console.print("one of three replicas falls ill ...")
        measurements += await degraded_replica.measure(local, options.seconds, options.fault or ())
    if "dead" in wanted:
        console.print("all replicas are dead ...")
        measurements += await all_replicas_dead.measure(local, options.seconds)
    return measurements


if __name__ == "__main__":
    sys.exit(main())
