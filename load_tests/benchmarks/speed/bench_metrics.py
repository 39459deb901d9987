"""`./mobula bench metrics`: what `/metrics` costs, and whether its figures are right.

"scrape" and "strangers" run the application in this process, without Ray. "scrape": every tenant at
every outcome, every route, every model, in each of `--replicas` ingress replicas: samples of a
replica, time of a scrape over HTTP, CPU time of the event loop of the replica that is asked and of
the others; what promtool (where it is installed) and the OpenMetrics parser say of the text.
"strangers": `--strangers` requests with invented methods, paths, models, tenants and hosts, without
a key: what grows.

"exact" starts a private cluster: a third of `--requests`, after which the client, HAProxy and the
metrics have to agree to the unit; the same strangers, at the ports of HAProxy and Ray too; the rest
while two ingress replicas are killed and `/metrics` is read every half second. Every series only
rises; their last values are set against what the client counted and against the ledger. What a
killed replica had counted since it was last asked is gone with it, and is all that may be missing.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.machine import describe_machine

PARTS = ("scrape", "strangers", "exact")


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse_options(argv)
    measurements = measure(options)
    passed = all_met(measurements)
    Console().print(build_table(measurements))
    names = ("tenants", "models", "replicas", "strangers", "requests", "connections")
    report = {
        "benchmark": "metrics",
        "machine": describe_machine(),
        "conditions": {name: getattr(options, name) for name in names},
        "measurements": [measurement.to_dict() for measurement in measurements],
        "passed": passed,
    }
    return finish_benchmark(report, passed, options)


def measure(options: argparse.Namespace) -> list[Measurement]:
    """Each part is imported only where it runs: "exact" brings Ray."""
    if options.part == "exact":
        from load_tests.benchmarks.speed.observed.exact import measure_exactness

        return measure_exactness(options)
    from load_tests.benchmarks.speed.observed.scrape import measure_scrape
    from load_tests.benchmarks.speed.observed.strangers import measure_strangers

    parts = {"scrape": measure_scrape, "strangers": measure_strangers}
    chosen = [options.part] if options.part else [*parts]
    return [each for part in chosen for each in asyncio.run(parts[part](options))]


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench metrics", description=__doc__)
    parser.add_argument("--part", choices=PARTS, help="default: scrape and strangers")
    parser.add_argument("--scrapes", type=int, default=50)
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--strangers", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=100_000, help="of the part exact")
    parser.add_argument("--connections", type=int, default=32, help="of the part exact")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
