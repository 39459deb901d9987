"""What a Serve replica answers when it is asked for its figures.

In: sources of readings. Out: the replica's name and its report, as every deployment's method
`report("metrics")` returns them.
"""

from collections.abc import Callable
from typing import Protocol

from cluster.metrics.node_readings import NodeReadings
from cluster.metrics.process_readings import process_source
from cluster.metrics.series import MetricReport, MetricSet, Source
from cluster.runtime.settings import Settings

METRICS = "metrics"
NamedReport = tuple[str, MetricReport]  # the replica's name, and what it tells of itself


class _ReplicaId(Protocol):
    @property
    def unique_id(self) -> str: ...


class ReplicaIdentity(Protocol):
    """Serve's context of a replica, as far as it is needed here."""

    @property
    def deployment(self) -> str: ...

    @property
    def replica_id(self) -> _ReplicaId: ...


class ReplicaMetrics:
    """`loop_lag` tells by how many seconds the event loop was late lately."""

    def __init__(self, loop_lag: Callable[[], float], *sources: Source) -> None:
        self._deployment = ""
        common = common_sources(lambda: self._deployment, loop_lag)
        self._metrics = MetricSet(*common, *sources)

    def add(self, *sources: Source) -> None:
        self._metrics.add(*sources)

    def report(self, name: str, identity: ReplicaIdentity, *more: Source) -> NamedReport:
        """With the readings of `more`. Raises KeyError for another name than METRICS."""
        if name != METRICS:
            raise KeyError(name)
        self._deployment = identity.deployment
        return str(identity.replica_id.unique_id), self._metrics.report(*more)


def common_sources(
    deployment: Callable[[], str], loop_lag: Callable[[], float], settings: Settings | None = None
) -> tuple[Source, ...]:
    """What every process tells: of itself and of its node. `deployment` names what it is a replica
    of; `settings` None: those of the process."""
    return process_source(deployment, loop_lag), NodeReadings(settings).read
