"""`./mobula bench observe`: what seeing everything costs.

In this process, without Ray. "accounting": CPU time that a request spends counting itself, where
its cell is there already; "unsampled tracing": what tracing adds to one that is not recorded, with
the stopwatch that it shares. "scrape": a cluster of `--replicas` ingress replicas that have each
served `--tenants` tenants and `--models` models: samples of a replica, CPU time of its own report,
which its event loop pays, and of the text of all, which a thread writes. Of `--rounds` the least
counts; the shares of the event loop are worst cases of one report and one scrape.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from cluster.metrics.catalogue import CATALOGUE, generation, models
from cluster.metrics.exposition import ReplicaReport, count_samples, render
from cluster.metrics.metric import Metric
from cluster.metrics.process_readings import process_source
from cluster.metrics.series import Counter, MetricSet
from cluster.usage.increments import Increment
from cluster.usage.totals import UsageTotals
from deployments.ingress.http.request_metrics import RequestMetrics
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.speed.unsampled_tracing import unsampled_requests
from load_tests.machine import describe_machine

ROUTES = tuple(f"/api/v1/route{number}" for number in range(100))
STATUSES = (200, 400, 429, 499, 503)
OF_MODELS = (models.CALLS, models.ATTEMPTS, models.RETRIES, models.HEDGES, models.REFUSED)


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse_options(argv)
    measurements = [*accounting(options), *scrape(options)]
    passed = all_met(measurements)
    Console().print(build_table(measurements))
    report = {
        "benchmark": "observe",
        "machine": describe_machine(),
        "conditions": {name: getattr(options, name) for name in ("tenants", "models", "replicas")},
        "measurements": [measurement.to_dict() for measurement in measurements],
        "passed": passed,
    }
    return finish_benchmark(report, passed, options)


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench observe", description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000, help="counted in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


def accounting(options: argparse.Namespace) -> list[Measurement]:
    metrics, requests = RequestMetrics(), options.requests
    metrics.template_of = str

    def count() -> None:
        for _ in range(requests):
            metrics.record("/v1/chat/completions", "POST", 200, 12.5, 900, "tenant")

    def loop() -> None:
        for _ in range(requests):
            pass

    empty_s = _least_s(loop, options.rounds)
    counted, traced = (
        (_least_s(run, options.rounds) - empty_s) / requests * 1e6
        for run in (count, unsampled_requests(requests))
    )
    return [
        Measurement("accounting", "CPU of a request", counted, "us"),
        Measurement("unsampled tracing", "CPU of a request", traced, "us"),
        Measurement("both", "CPU of a request", counted + traced, "us", at_most=3.0),
    ]


def scrape(options: argparse.Namespace) -> list[Measurement]:
    replica = _served_replica(options.tenants, options.models)
    reports = [ReplicaReport(f"replica{n}", replica.report()) for n in range(options.replicas)]
    catalogue = tuple(CATALOGUE.values())

    def write() -> None:
        render(catalogue, reports)

    return [
        Measurement("scrape", "samples of a replica", count_samples(reports[:1]), at_most=3_000),
        Measurement(
            "scrape",
            "CPU of a replica's report",
            _least_s(replica.report, options.rounds) * 1000,
            "ms",
            at_most=5.0,
        ),
        Measurement(
            "scrape",
            "CPU of the text of all",
            _least_s(write, options.rounds) * 1000,
            "ms",
            at_most=100.0,
        ),
    ]


def _served_replica(tenant_count: int, model_count: int) -> MetricSet:
    """A replica with every tenant at every outcome, every model, and more routes than the cap."""
    requests = RequestMetrics(str)
    totals = UsageTotals()
    by_model: list[Counter] = [Counter(metric) for metric in (*OF_MODELS, generation.SEQUENCES)]
    names = [f"model{number}" for number in range(model_count)]
    for number in range(tenant_count):
        tenant = f"tenant{number}"
        for status in STATUSES:
            for route in ROUTES:
                requests.record(route, "POST", status, 1.7 * number, 800, tenant, "overloaded")
        for model in names:
            for unit in ("input_tokens", "output_tokens"):
                totals.add([Increment(tenant, "key", model, "2026-01-01", unit, 9, 900, 1800)])
    for each in by_model:
        for model in names:
            each.add(_labels(each.metric, model))
    sources = [each.read for each in by_model]
    return MetricSet(
        lambda: requests.read(3), totals.read, process_source(lambda: "Ingress", float), *sources
    )


def _labels(metric: Metric, model: str) -> tuple[str, ...]:
    return (model, *("finished" for _ in metric.labels[1:]))


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
