"""One scrape: what every replica of the cluster tells of itself, and how the scrape went.

In: this replica's own figures, and a source that asks the others. Out: reports, one a replica; and
the text that Prometheus reads.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from cluster.metrics.catalogue import CATALOGUE, declared, node, scaling, scrape
from cluster.metrics.exposition import ReplicaReport, render
from cluster.metrics.replica_metrics import NamedReport
from cluster.metrics.series import Counter, LabelValues, MetricReport, MetricSet, Sample
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.version import VERSION
from deployments.contracts.metrics import ClusterReports, ReplicaMetricsSource

NODES = declared(node)
_NODE_NAMES = frozenset(metric.name for metric in NODES)


class LoneReplica:
    """The source of an ingress without Serve: it is the only replica, and has no name."""

    replica, deployment = "", "Ingress"

    async def collect(self) -> ClusterReports:
        return ClusterReports()


class MetricsScrape:
    """`own` gives this replica's figures, `source` those of the others (None: there are none).
    `missing` counts replicas that did not answer, and belongs to `own`. What is asked for is put
    together and written in a thread: of a large cluster that takes longer than the event loop may
    be held up."""

    def __init__(
        self,
        own: Callable[[], Awaitable[MetricReport]] | None = None,
        source: ReplicaMetricsSource | None = None,
        clock: Clock | None = None,
        missing: Counter | None = None,
    ) -> None:
        self._missing = missing or Counter(scrape.MISSING)
        self._own = own or MetricSet(self._missing.read).report
        self._source = source or LoneReplica()
        self._clock = clock or SystemClock()

    async def text(self, *, openmetrics: bool) -> bytes:
        """Every series of the cluster."""
        began, (name, deployment) = self._clock.monotonic(), self._identity()
        cluster = await self._source.collect()
        for other, answer in cluster.deployments.items():
            if answer.missing:
                self._missing.add((other,), answer.missing)
        own = await self._own()  # with what is missing now
        elapsed_s = self._clock.monotonic() - began
        answers = Answers(cluster, ReplicaReport(name, own), deployment, elapsed_s)
        return await asyncio.to_thread(_write, answers, openmetrics)

    async def report_own(self) -> NamedReport:
        """This replica's figures, for another one's scrape."""
        return self._source.replica, await self._own()

    def _identity(self) -> tuple[str, str]:
        return self._source.replica, self._source.deployment


@dataclass(frozen=True, slots=True)
class Answers:
    """What the cluster and this replica, one of `deployment`, answered within `elapsed_s`."""

    cluster: ClusterReports
    own: ReplicaReport
    deployment: str
    elapsed_s: float


def _write(answers: Answers, openmetrics: bool) -> bytes:
    return render(tuple(CATALOGUE.values()), reports_of(answers), openmetrics=openmetrics)


def reports_of(answers: Answers) -> list[ReplicaReport]:
    """One a replica, this one's always; and one of no replica, about nodes and the scrape."""
    cluster, own = answers.cluster, answers.own
    reports = [
        ReplicaReport(replica, report)
        for each in cluster.deployments.values()
        for replica, report in each.reports
        if replica != own.replica
    ]
    reports.append(own)
    counts = {name: len(each.reports) for name, each in cluster.deployments.items()}
    counts[answers.deployment] = max(1, counts.get(answers.deployment, 0))
    nodes = _about_nodes(reports)
    reports = [ReplicaReport(each.replica, _own_series(each.report)) for each in reports]
    about = {
        **nodes,
        **_about_deployments(cluster),
        **_about_scrape(reports, counts, answers.elapsed_s),
    }
    return [*reports, ReplicaReport("", about)]


def _about_nodes(reports: Sequence[ReplicaReport]) -> MetricReport:
    """Each node's figures once, of whichever replica of it was first."""
    found: dict[str, dict[LabelValues, Sample]] = {}
    for each in reports:
        for metric in NODES:
            samples = found.setdefault(metric.name, {})
            for sample in each.report.get(metric.name, ()):
                samples.setdefault(sample[0], sample)
    return {name: list(samples.values()) for name, samples in found.items()}


def _own_series(report: MetricReport) -> MetricReport:
    """What is of the replica itself, not of its node."""
    return {name: samples for name, samples in report.items() if name not in _NODE_NAMES}


def _about_deployments(cluster: ClusterReports) -> MetricReport:
    deployments = cluster.deployments.items()
    age_s = cluster.status_age_s
    return {
        scaling.REPLICAS.name: [
            ((name, state), count)
            for name, reports in deployments
            for state, count in reports.states.items()
        ],
        scaling.TARGET.name: [
            ((name,), reports.target) for name, reports in deployments if reports.target is not None
        ],
        scaling.STATUS_AGE.name: [] if age_s is None else [((), age_s)],
        scrape.MISSING_NOW.name: [((name,), reports.missing) for name, reports in deployments],
    }


def _about_scrape(
    reports: Sequence[ReplicaReport], replicas: Mapping[str, int], elapsed_s: float
) -> MetricReport:
    sets: Tally[str] = Tally()
    for each in reports:
        for name, samples in each.report.items():
            sets[name] += len(samples)
    answered: Sequence[Sample] = [((name,), count) for name, count in replicas.items()]
    return {
        scrape.BUILD.name: [((VERSION,), 1)],
        scrape.REPLICAS.name: answered,
        scrape.DURATION.name: [((), elapsed_s)],
        scrape.SERIES.name: [((name,), count) for name, count in sets.items() if count],
    }
