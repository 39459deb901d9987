"""How this cluster scales, collected for its operator.

Flows in: Serve's status, every ingress replica's own report, the models' queues, the store's bounds
and decisions. Flows out: one status. A source that does not answer in time is left out and named.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from cluster.administration.scaling import ScalingService
from cluster.autoscaling.decision import Decision
from cluster.autoscaling.spec import ScalingSpec
from cluster.autoscaling.store import BoundsOverride
from cluster.balancing.replica_set import ReplicaStatus
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, NotFound, Problem
from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import (
    DeploymentState,
    DeploymentStatusSource,
    IngressReport,
    ServeSnapshot,
)

T = TypeVar("T")
STORE_S = 1.5  # a query that takes longer counts as unanswered
RECENT = 5  # decisions of each deployment


class Peers(Protocol):
    """All replicas like this one (deployments/clients/serve/serve_status.py)."""

    async def ask(self, method: str, *arguments: Any) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class ScalingStatus:
    """`snapshot` is Serve's status, None if no replica ever got one; `unavailable` names what did
    not answer: `controller`, `ingress`, `store`. `queues` are by deployment."""

    at: float
    snapshot: ServeSnapshot | None
    reports: Sequence[IngressReport]
    queues: Mapping[str, Sequence[ModelLoad]]
    bounds: Mapping[str, BoundsOverride]
    recent: Mapping[str, Sequence[Decision]]
    unavailable: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ServedDeployments:
    """What the graph says: the deployment of each model id, and by deployment the specs of those
    that scale."""

    deployments: Mapping[str, str] = field(default_factory=dict)
    specs: Mapping[str, ScalingSpec] = field(default_factory=dict)

    def model_of(self, deployment: str) -> str | None:
        return next((id for id, name in self.deployments.items() if name == deployment), None)


class ScalingOverview:
    """`replica_statuses` gives this process's view of a deployment's replicas, `call_stats` how its
    calls of each model went, `open_calls` how many model calls are open here."""

    def __init__(
        self,
        served: ServedDeployments,
        serve_status: DeploymentStatusSource,
        peers: Peers,
        clock: Clock,
        *,
        replica_statuses: Callable[[str], Mapping[str, ReplicaStatus]],
        call_stats: Callable[[], Mapping[str, Mapping[str, Any]]],
        open_calls: Callable[[], int],
    ) -> None:
        self.served = served
        self._serve_status = serve_status
        self._peers = peers
        self._clock = clock
        self._replica_statuses = replica_statuses
        self._call_stats = call_stats
        self._open_calls = open_calls

    def report(self) -> IngressReport:
        """This replica's own view, for its peers."""
        names = self.served.deployments.values()
        return IngressReport(
            standings={name: tuple(self._replica_statuses(name).values()) for name in names},
            calls=self._call_stats(),
            open=self._open_calls(),
            seen=self._serve_status.last_status,
        )

    async def status(self, records: ScalingService) -> ScalingStatus:
        """Takes as long as the slowest source, each of which has a limit of a second or two."""
        snapshot, reports, queues, bounds, decisions = await asyncio.gather(
            self._serve_status.status(),
            self._peers.ask("report", "scaling"),
            self._serve_status.loads(tuple(self.served.deployments.values())),
            _in_time(records.active_bounds()),
            _in_time(records.recent(self.served.specs, RECENT)),
        )
        sources = {"controller": snapshot, "ingress": reports or None, "store": bounds}
        reports = reports or [self.report()]
        return ScalingStatus(
            at=self._clock.wall(),
            snapshot=snapshot or _newest(report.seen for report in reports),
            reports=reports,
            queues=queues,
            bounds=bounds or {},
            recent=decisions or {},
            unavailable=[name for name, answer in sources.items() if answer is None],
        )

    async def find_removed(self, models: Collection[str]) -> frozenset[str]:
        """Which of `models` the cluster no longer has, while this replica still knows them.

        A roll that removes a model deletes it at once, and ingress replicas of the old version go a
        little later: until then they are as ready as they will ever be. Empty where Serve does not
        answer, and where it names no deployment at all: then the application is being built.
        """
        snapshot = await self._serve_status.status()
        if snapshot is None or not snapshot.deployments:
            return frozenset()
        deployments = self.served.deployments
        return frozenset(id for id in models if deployments.get(id) not in snapshot.deployments)

    def resolve(self, name: str) -> str:
        """The deployment of a model id, or of that name. Raises NotFound."""
        if name in self.served.deployments:
            return self.served.deployments[name]
        if name in self.served.deployments.values() or self._state(name) is not None:
            return name
        known = ", ".join(sorted(self.served.deployments)) or "none"
        raise NotFound(
            f"There is no deployment or model '{name[:200]}'; models: {known}.", param="deployment"
        )

    def resolve_scaled(self, name: str) -> tuple[str, ScalingSpec]:
        """The same with its spec. Raises Conflict for a deployment that does not scale."""
        deployment = self.resolve(name)
        spec = self.served.specs.get(deployment)
        if spec is None:
            raise Conflict(
                f"'{deployment}' takes no bounds: {self._why_fixed(deployment)}.",
                param="deployment",
            )
        return deployment, spec

    def _why_fixed(self, deployment: str) -> str:
        if deployment in self.served.deployments.values():
            return "its number of replicas is fixed, it has no `scaling` in the configuration"
        return "it is no model, so the configuration alone says how many replicas it has"

    def _state(self, deployment: str) -> DeploymentState | None:
        snapshot = self._serve_status.last_status
        return None if snapshot is None else snapshot.deployments.get(deployment)


async def _in_time(query: Awaitable[T]) -> T | None:
    """None for a query of the store that fails or takes too long."""
    try:
        async with asyncio.timeout(STORE_S):
            return await query
    except (Problem, TimeoutError):
        return None


def _newest(snapshots: Iterable[ServeSnapshot | None]) -> ServeSnapshot | None:
    return max(filter(None, snapshots), key=lambda snapshot: snapshot.at, default=None)
