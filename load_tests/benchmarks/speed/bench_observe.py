"""`./mobula bench observe`: CPU time that seeing everything costs a request.

In this process, without Ray. "accounting": CPU time that a request spends counting itself, where
its cell is there already; "unsampled tracing": what tracing adds to one that is not recorded, with
the stopwatch that it shares; each less an empty loop. Of `--rounds` the least counts. What a scrape
costs is in `./mobula bench metrics`.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from deployments.ingress.http.request_metrics import RequestMetrics
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.speed.unsampled_tracing import unsampled_requests
from load_tests.machine import describe_machine

CHAT = "/v1/chat/completions"
MOST_US = 3.0


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse_options(argv)
    measurements = measure(options)
    passed = all_met(measurements)
    Console().print(build_table(measurements))
    report = {
        "benchmark": "observe",
        "machine": describe_machine(),
        "conditions": {"requests": options.requests, "rounds": options.rounds},
        "measurements": [measurement.to_dict() for measurement in measurements],
        "passed": passed,
    }
    return finish_benchmark(report, passed, options)


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench observe", description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> list[Measurement]:
    empty, counted, unsampled = [
        _least_s(run(options.requests), options.rounds) / options.requests * 1e6
        for run in (_nothing, _counting, unsampled_requests)
    ]
    counting, tracing = counted - empty, unsampled - empty
    return [
        Measurement("accounting", "CPU of a request", counting, "us"),
        Measurement("unsampled tracing", "CPU of a request", tracing, "us"),
        Measurement("both", "CPU of a request", counting + tracing, "us", at_most=MOST_US),
    ]


def _nothing(requests: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(requests):
            pass

    return run


def _counting(requests: int) -> Callable[[], None]:
    metrics = RequestMetrics(str)

    def run() -> None:
        for _ in range(requests):
            metrics.record(CHAT, "POST", 200, 12.5, 900, "tenant", None, "unary", 0.7)

    return run


def _least_s(run: Callable[[], object], rounds: int) -> float:
    """CPU seconds of the fastest round."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    sys.exit(main())
