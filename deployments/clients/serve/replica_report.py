"""What a Serve replica answers when it is asked for its figures.

In: sources of readings. Out: the replica's name and its report, as every deployment's method
`report("metrics")` returns them.
"""

from collections.abc import Callable

from cluster.metrics.process_readings import process_source
from cluster.metrics.series import MetricSet, Source
from deployments.clients.serve.link_address import deployment_name, replica_name
from deployments.contracts.metrics import NamedReport

METRICS = "metrics"


class ReplicaMetrics:
    """Make it in a replica's constructor. `loop_lag` tells by how many seconds the event loop was
    late lately."""

    def __init__(self, loop_lag: Callable[[], float], *sources: Source) -> None:
        self._metrics = MetricSet(process_source(deployment_name(), loop_lag), *sources)
        self._replica = replica_name()

    def add(self, *sources: Source) -> None:
        self._metrics.add(*sources)

    def report(self, name: str) -> NamedReport:
        """Raises KeyError for another name than METRICS."""
        return {METRICS: lambda: (self._replica, self._metrics.report())}[name]()
