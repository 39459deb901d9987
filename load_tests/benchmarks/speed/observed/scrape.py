"""The part "scrape": samples, times and validity of `/metrics` of a full cluster.

In: numbers of tenants, models and replicas. Out: measurements. The other replicas' reports are
copies of this one's, which cross a pickle, as they do over a handle.
"""

import argparse
import asyncio
import pickle
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import httpx
from fastapi.routing import iter_route_contexts
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from cluster.metrics.metric import OTHER
from cluster.metrics.replica_metrics import NamedReport
from cluster.metrics.series import MetricReport, MetricSet
from cluster.usage.increments import Increment
from deployments.contracts.metrics import ClusterReports, DeploymentReports
from deployments.ingress.http.app import create_app
from deployments.ingress.http.request_metrics import RequestMetrics
from deployments.ingress.metrics.scrape import MetricsScrape
from deployments.ingress.routes.resources import resource_routes
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.speed.observed.application import (
    URL,
    ObservedApplication,
    observed_application,
)

STATUSES = (200, 400, 401, 404, 429, 499, 503)
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PART = "scrape"


class CopiedReplicas:
    """A cluster of `count` ingress replicas and one replica of each model."""

    replica, deployment = "replica0", "Ingress"

    def __init__(self, own: MetricReport, models: Sequence[NamedReport], count: int) -> None:
        ingress = [(f"replica{number}", own) for number in range(1, count)]
        replicas = {"Ingress": ingress, "Model": [*models]}
        self._sent = {name: [pickle.dumps(each) for each in of] for name, of in replicas.items()}

    async def collect(self) -> ClusterReports:
        """Each report is an answer of its own, which the loop reads."""
        states = {"ready": 1, "starting": 0, "stopping": 0}
        answers: dict[str, DeploymentReports] = {}
        for name, sent in self._sent.items():
            reports: list[NamedReport] = []
            for each in sent:
                reports.append(pickle.loads(each))
                await asyncio.sleep(0)
            answers[name] = DeploymentReports(reports, 0, states, 1)
        return ClusterReports(answers, 0.2)


async def measure_scrape(options: argparse.Namespace) -> list[Measurement]:
    async with observed_application(options.models) as observed:
        await _fill(observed, options.tenants)
        services = observed.services

        async def report() -> MetricReport:
            named: NamedReport = await services.reports["metrics"]()
            return named[1]

        models = [
            (f"model{id}", await MetricSet(model._model.report.read_metrics).report())
            for id, model in observed.models.items()
        ]
        source = CopiedReplicas(await report(), models, options.replicas)
        scraped = replace(services, scrape=MetricsScrape(report, source))
        transport = httpx.ASGITransport(create_app(scraped))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            filled = replace(observed, http=http)
            return await _measure(filled, report, options)


async def _measure(
    observed: ObservedApplication,
    report: Callable[[], Awaitable[MetricReport]],
    options: argparse.Namespace,
) -> list[Measurement]:
    text, openmetrics = await observed.scrape(), await observed.scrape(OPENMETRICS)
    walls, own_holds, other_holds = [], [], []
    for _ in range(options.scrapes):
        began = time.perf_counter()
        await observed.scrape()
        walls.append((time.perf_counter() - began) * 1e3)
        own_holds.append(await longest_hold_ms(observed.scrape()))
        other_holds.append(await longest_hold_ms(report()))
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    own = sum('replica="replica0"' in line for line in lines)
    found = [
        Measurement(PART, "samples of a replica", own, at_most=3_000),
        Measurement(PART, "samples of all", len(lines)),
        Measurement(PART, "a scrape, p95", _p95(walls), "ms", at_most=100.0),
        Measurement(PART, "loop of who is asked held, p95", _p95(own_holds), "ms", at_most=5.0),
        Measurement(PART, "loop of another held, p95", _p95(other_holds), "ms", at_most=5.0),
        Measurement(PART, "lines OpenMetrics refuses", _refused(openmetrics), at_most=0),
    ]
    complaints = _promtool(text)
    if complaints is not None:
        found.append(Measurement(PART, "complaints of promtool", complaints, at_most=0))
    return found


async def longest_hold_ms(work: Awaitable[object]) -> float:
    """The longest CPU time for which the event loop did nothing but one step of `work`."""
    longest, before = 0.0, time.thread_time()
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    await task
    return longest * 1e3


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def _refused(text: str) -> int:
    """0: the parser took all of it."""
    try:
        families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    except ValueError:
        return 1
    return 0 if families else 1


def _promtool(text: str) -> int | None:
    """Lines that `promtool check metrics` writes; None where it is not installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        return None
    done = subprocess.run([promtool, "check", "metrics"], input=text.encode(), capture_output=True)
    return max(int(done.returncode != 0), len((done.stdout + done.stderr).splitlines()))


async def _fill(observed: ObservedApplication, tenants: int) -> None:
    """Real requests for what only they make; then every tenant, route and status by number."""
    await _generate(observed)
    _fill_requests(observed.services.request_metrics, tenants)
    for number in range(tenants):
        for model in observed.models:
            for unit in ("input_tokens", "output_tokens"):
                increment = Increment(
                    f"tenant{number}", "key", model, "2026-01-01", unit, 9, 900, 1800
                )
                observed.tenancy.ledger.totals.add([increment])
    if observed.services.health is not None:
        await observed.services.health.runner.check_due()
        await observed.services.health.runner.wait_for_checks()


async def _generate(observed: ObservedApplication) -> None:
    headers = {"authorization": f"Bearer {observed.admin}"}
    message = {"role": "user", "content": "one two"}
    for model in observed.models:
        for stream in (False, True):
            body = {"model": model, "messages": [message], "stream": stream}
            await observed.http.post("/v1/chat/completions", json=body, headers=headers)


def _fill_requests(metrics: RequestMetrics, tenants: int) -> None:
    """More label sets than their caps let in."""
    paths = [each.path for each in iter_route_contexts(resource_routes().routes) if each.path]
    for route in dict.fromkeys([*paths, *metrics.operations, OTHER]):
        for number, status in enumerate(STATUSES):
            for kind in ("unary", "stream"):
                ms = 7.0 * 3**number
                metrics.record(route, "POST", status, ms, 900, None, "overloaded", kind, 0.4)
    for number in range(tenants):
        for status in STATUSES:
            metrics.record("/version", "GET", status, 2.0, 900, f"tenant{number}")
