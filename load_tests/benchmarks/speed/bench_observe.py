"""`./mobula bench observe`: CPU time that seeing everything costs a request.

In this process, without Ray: the statements by which a request is counted, where its cell is there
already, and those that decide, for a request that is not sampled, that no trace of it is kept
(deployments/ingress/http/middleware/boundary.py), each less an empty loop. Of `--rounds` the least
counts. What a scrape costs is in `./mobula bench metrics`.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from cluster.runtime.clock import SystemClock
from cluster.tracing.tracer import Tracer
from deployments.ingress.context import ModelWaitTimer, RequestState
from deployments.ingress.http.request_metrics import RequestMetrics
from deployments.ingress.tracing.request_tracing import RequestTracing
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.machine import describe_machine

CHAT = "/v1/chat/completions"
MOST_US = 3.0
RATIO = 0.01


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
        for run in (_nothing, _counting, _tracing)
    ]
    counting, tracing = counted - empty, unsampled - empty
    return [
        Measurement("observe", "counting a request", counting, "us"),
        Measurement("observe", "tracing that is not sampled", tracing, "us"),
        Measurement("observe", "both", counting + tracing, "us", at_most=MOST_US),
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


def _tracing(requests: int) -> Callable[[], None]:
    """The fields of the timer that only traces read are set, too."""
    clock = SystemClock()
    tracing = RequestTracing(Tracer(RATIO), clock)
    timer, state, kept = ModelWaitTimer(clock), RequestState(), []
    traceparent, progress = state.problem, state.response  # None: the caller names no trace
    progress.status, progress.first_byte_s, progress.is_started = 200, 0.01, True

    def run() -> None:
        for _ in range(requests):
            is_sampled = tracing.draw() < 0.0 < tracing.ratio  # as it falls mostly
            if is_sampled or traceparent is not None:
                kept.append(is_sampled)
            timer.authenticated_at = timer.admitted_at = 0.01
            status, problem = progress.status, state.problem
            if (
                status >= 500
                or (status == 200 and problem is not None)
                or (timer.trace is not None and timer.trace.is_sampled)
                or (progress.first_byte_s if progress.is_started else 0.01) >= tracing.slow_s
            ):
                kept.append(is_sampled)

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
