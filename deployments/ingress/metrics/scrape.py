"""One scrape: what every replica of the cluster tells of itself, and how the scrape went.

In: this replica's own figures, and a source that asks the others. Out: reports, one a replica; and
the text that Prometheus reads.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence

from cluster.metrics.catalogue import CATALOGUE, declared, node, scaling, scrape
from cluster.metrics.exposition import ReplicaReport, count_samples, render
from cluster.metrics.series import Counter, LabelValues, MetricReport, Sample
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.version import VERSION
from deployments.contracts.metrics import ClusterReports, ReplicaMetricsSource

NODES = declared(node)
_NODE_NAMES = frozenset(metric.name for metric in NODES)
MAX_LINES_ON_LOOP = 1_000  # more are written in a thread: that many take about 3 ms


class LoneReplica:
    """The source of an ingress without Serve: it is the only replica, and has no name."""

    replica, deployment = "", "Ingress"

    async def collect(self) -> ClusterReports:
        return ClusterReports()


class MetricsScrape:
    """`own` gives this replica's figures, `source` those of the others (None: there are none).
    `missing` counts replicas that did not answer, and belongs to `own`."""

    def __init__(
        self,
        own: Callable[[], MetricReport] = dict,
        source: ReplicaMetricsSource | None = None,
        clock: Clock | None = None,
        missing: Counter | None = None,
    ) -> None:
        self._own = own
        self._source = source or LoneReplica()
        self._clock = clock or SystemClock()
        self._missing = missing or Counter(scrape.MISSING)

    async def text(self, *, openmetrics: bool) -> bytes:
        """Every series of the cluster."""
        reports = await self.reports()
        if count_samples(reports) <= MAX_LINES_ON_LOOP:
            return render(CATALOGUE.values(), reports, openmetrics=openmetrics)
        return await asyncio.to_thread(
            render, tuple(CATALOGUE.values()), reports, openmetrics=openmetrics
        )

    async def reports(self) -> list[ReplicaReport]:
        """One a replica, this one's always; and one of no replica, about nodes and the scrape."""
        began = self._clock.monotonic()
        cluster = await self._source.collect()
        name, deployment = self._source.replica, self._source.deployment
        for other, answer in cluster.deployments.items():
            if answer.missing:
                self._missing.add((other,), answer.missing)
        reports = [
            ReplicaReport(replica, report)
            for answer in cluster.deployments.values()
            for replica, report in answer.reports
            if replica != name
        ]
        reports.append(ReplicaReport(name, self._own()))  # with what is missing now
        nodes = _about_nodes(reports)
        reports = [ReplicaReport(each.replica, _own_series(each.report)) for each in reports]
        answers = {other: len(answer.reports) for other, answer in cluster.deployments.items()}
        answers[deployment] = max(1, answers.get(deployment, 0))
        about = {
            **nodes,
            **_about_deployments(cluster),
            **_about_scrape(reports, answers, self._clock.monotonic() - began),
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
