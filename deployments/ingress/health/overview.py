"""Health of the dependencies for the operator: of this replica, and of all of them together.

In: what the runner has found, and the peers' reports. Out: the cluster's view, and events when a
dependency goes away or comes back. Nothing is checked when it is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, Protocol

from cluster.events.kinds import EventKind
from cluster.health.dependency import Dependency
from cluster.health.figures import DependencyFigures
from cluster.health.monitor import StateChange
from cluster.health.report import (
    DependencySummary,
    HealthReport,
    merge_reports,
    worst_state,
)
from cluster.health.runner import HealthRunner
from cluster.health.state import DependencyState
from cluster.runtime.clock import Clock
from cluster.secrets.key_files import BOOTSTRAP_TENANT
from deployments.ingress.scaling import Peers


class DependencySource(Protocol):
    """deployments/ingress/health/dependencies.py"""

    @property
    def clock(self) -> Clock: ...
    @property
    def node(self) -> str: ...
    def collect(self) -> list[Dependency]: ...
    async def close(self) -> None: ...


class EventPublisher(Protocol):
    """cluster/events/bus.py"""

    def publish(self, tenant: str, kind: str, data: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """`at` is Unix seconds, `reports` are of the replicas that answered in time."""

    at: float
    state: DependencyState
    reports: list[HealthReport]
    dependencies: list[DependencySummary]


class HealthOverview:
    """`start` it on the loop that serves, `close` it there."""

    def __init__(
        self,
        catalogue: DependencySource,
        peers: Peers,
        bus: EventPublisher,
        replica: str,
    ) -> None:
        """`replica` names this process in reports and events."""
        self._catalogue = catalogue
        self._peers = peers
        self._clock = clock = catalogue.clock
        self._bus = bus
        self._replica = replica
        self.runner = HealthRunner(
            catalogue.collect, clock, SystemRandom(), replica, catalogue.node, self._publish
        )

    def start(self) -> None:
        self.runner.start()

    async def close(self) -> None:
        await self.runner.close()
        await self._catalogue.close()

    def report(self) -> HealthReport:
        """This replica's own view, for its peers."""
        return self.runner.report()

    def worst(self) -> DependencyState:
        """The worst state in this replica's own view."""
        return worst_state(merge_reports([self.report()]))

    def figures(self) -> Mapping[str, DependencyFigures]:
        """This replica's own view in numbers, by name; copies what is known, and checks nothing."""
        return self.runner.figures()

    async def status(self) -> HealthStatus:
        """Asks the peers for what they know; as many as answer in time."""
        reports = await self._peers.ask("report", "health") or [self.report()]
        summaries = merge_reports(reports)
        return HealthStatus(self._clock.wall(), worst_state(summaries), reports, summaries)

    def _publish(self, change: StateChange) -> None:
        """To the operator's tenant; each replica that notices it says so."""
        down = DependencyState.DOWN
        if down not in (change.before, change.after) or change.after.value not in _PUBLISHED:
            return
        kind = EventKind.DEPENDENCY_DOWN if change.after is down else EventKind.DEPENDENCY_UP
        data: dict[str, Any] = {
            "id": change.dependency.name,
            "dependency_kind": change.dependency.kind,
            "state": change.after.value,
            "since": change.since,
            "detail": change.detail,
            "replica": self._replica,
        }
        self._bus.publish(BOOTSTRAP_TENANT, kind, data)


_PUBLISHED = ("up", "degraded", "down")
