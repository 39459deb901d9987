"""How this cluster scales, put together for its operator.

Flows in: Serve's states, every ingress replica's own view, the models' queues, the store's bounds
and decisions. Flows out: one status. Whatever does not answer in time is left out and named.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from cluster.administration.scaling import ScalingService as Records
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
STORE_S = 1.5  # a store that takes longer is left out
RECENT = 5  # decisions of each deployment


class Peers(Protocol):
    """All replicas like this one (deployments/clients/serve/serve_status.py)."""

    async def ask(self, method: str, *arguments: Any) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Status:
    """`sight` is Serve's view, None if it never gave one to any replica; `away` names what did not
    answer: `controller`, `ingress`, `store`. `queues` are by deployment."""

    at: float
    sight: ServeSnapshot | None
    views: Sequence[IngressReport]
    queues: Mapping[str, Sequence[ModelLoad]]
    bounds: Mapping[str, BoundsOverride]
    recent: Mapping[str, Sequence[Decision]]
    away: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ServedDeployments:
    """What the graph says: the deployment of each model id, and the specs of those that scale, by
    deployment."""

    deployments: Mapping[str, str] = field(default_factory=dict)
    specs: Mapping[str, ScalingSpec] = field(default_factory=dict)

    def model_of(self, deployment: str) -> str | None:
        return next((id for id, name in self.deployments.items() if name == deployment), None)


class ScalingOverview:
    """`standings` gives this process's view of a deployment's replicas, `calls` how its calls of
    each model went, `open_calls` how many model calls are open here."""

    def __init__(
        self,
        served: ServedDeployments,
        overseer: DeploymentStatusSource,
        peers: Peers,
        clock: Clock,
        *,
        standings: Callable[[str], Mapping[str, ReplicaStatus]],
        calls: Callable[[], Mapping[str, Mapping[str, Any]]],
        open_calls: Callable[[], int],
    ) -> None:
        self.served = served
        self._overseer = overseer
        self._peers = peers
        self._clock = clock
        self._standings = standings
        self._calls = calls
        self._open_calls = open_calls

    def report(self) -> IngressReport:
        """This replica's own view, for its peers."""
        names = self.served.deployments.values()
        return IngressReport(
            standings={name: tuple(self._standings(name).values()) for name in names},
            calls=self._calls(),
            open=self._open_calls(),
            seen=self._overseer.last_status,
        )

    async def status(self, records: Records) -> Status:
        """Takes as long as the slowest part, each of which has a limit of a second or two."""
        look, views, queues, laid, decisions = await asyncio.gather(
            self._overseer.status(),
            self._peers.ask("report", "scaling"),
            self._overseer.loads(tuple(self.served.deployments.values())),
            _in_time(records.active_bounds()),
            _in_time(records.recent(self.served.specs, RECENT)),
        )
        missing = {"controller": look, "ingress": views or None, "store": laid}
        views = views or [self.report()]
        return Status(
            at=self._clock.wall(),
            sight=look or _newest(view.seen for view in views),
            views=views,
            queues=queues,
            bounds=laid or {},
            recent=decisions or {},
            away=[name for name, found in missing.items() if found is None],
        )

    def named(self, name: str) -> str:
        """The deployment of a model id, or of that name. Raises NotFound."""
        if name in self.served.deployments:
            return self.served.deployments[name]
        if name in self.served.deployments.values() or self._state(name) is not None:
            return name
        known = ", ".join(sorted(self.served.deployments)) or "none"
        raise NotFound(
            f"There is no deployment or model '{name[:200]}'; models: {known}.", param="deployment"
        )

    def scaled(self, name: str) -> tuple[str, ScalingSpec]:
        """The same with its spec. Raises Conflict for one that does not scale."""
        deployment = self.named(name)
        spec = self.served.specs.get(deployment)
        if spec is None:
            raise Conflict(
                f"'{deployment}' takes no bounds: {self._why(deployment)}.", param="deployment"
            )
        return deployment, spec

    def _why(self, deployment: str) -> str:
        if deployment in self.served.deployments.values():
            return "its number of replicas is fixed, it has no `scaling` in the configuration"
        return "it is no model, so the configuration alone says how many replicas it has"

    def _state(self, deployment: str) -> DeploymentState | None:
        seen = self._overseer.last_status
        return None if seen is None else seen.deployments.get(deployment)


async def _in_time(asked: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(STORE_S):
            return await asked
    except (Problem, TimeoutError):
        return None


def _newest(sights: Any) -> ServeSnapshot | None:
    return max(filter(None, sights), key=lambda sight: sight.at, default=None)
