"""One scrape: what every replica of the cluster tells of itself, and how the scrape went.

In: this replica's own figures, and a source that asks the others. Out: reports, one a replica; and
the text that Prometheus reads.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence

from cluster.metrics.catalogue import CATALOGUE, scrape
from cluster.metrics.exposition import ReplicaReport, count_samples, render
from cluster.metrics.series import Counter, MetricReport, Sample
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.version import VERSION
from deployments.contracts.metrics import DeploymentReports, ReplicaMetricsSource

MAX_LINES_ON_LOOP = 5_000  # more are written in a thread


class LoneReplica:
    """The source of an ingress without Serve: it is the only replica, and has no name."""

    replica, deployment = "", "Ingress"

    async def collect(self) -> Mapping[str, DeploymentReports]:
        return {}


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

    async def reports(self) -> Sequence[ReplicaReport]:
        """One a replica, this one's always; and one about the scrape, of no replica."""
        began = self._clock.monotonic()
        answers = await self._source.collect()
        name, deployment = self._source.replica, self._source.deployment
        for other, answer in answers.items():
            if answer.missing:
                self._missing.add((other,), answer.missing)
        reports = [
            ReplicaReport(replica, report)
            for answer in answers.values()
            for replica, report in answer.reports
            if replica != name
        ]
        reports.append(ReplicaReport(name, self._own()))  # with what is missing now
        counts = {other: len(answer.reports) for other, answer in answers.items()}
        counts[deployment] = max(1, counts.get(deployment, 0))
        elapsed_s = self._clock.monotonic() - began
        return [*reports, ReplicaReport("", _about(reports, counts, elapsed_s))]


def _about(
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
