"""How deployments stand, as it crosses processes: Serve's own view, and an ingress replica's.

Plain values. Instants are Unix seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from cluster.balancing.replica_set import ReplicaStatus
from cluster.runtime.pickle_compat import version_tolerant
from deployments.contracts.generation import ModelLoad

State = Literal["ready", "starting", "stopping"]


@version_tolerant
@dataclass(frozen=True, slots=True)
class ServeReplica:
    """One replica as Serve's controller knows it; `node` is Ray's id, `address` the node's IP."""

    replica: str
    state: State
    node: str
    address: str
    since: float


@version_tolerant
@dataclass(frozen=True, slots=True)
class DeploymentState:
    """`status` is Serve's term (HEALTHY, UPSCALING, ...); `target` is the target number."""

    name: str
    status: str
    message: str
    target: int
    replicas: tuple[ServeReplica, ...] = ()

    def count(self, state: State) -> int:
        return sum(replica.state == state for replica in self.replicas)


@version_tolerant
@dataclass(frozen=True, slots=True)
class ServeSnapshot:
    """Every deployment of the application as the controller knew it at `at`."""

    at: float
    deployments: Mapping[str, DeploymentState]


@version_tolerant
@dataclass(frozen=True, slots=True)
class IngressReport:
    """One ingress replica's own figures: replica statuses by deployment, outcomes of calls by model
    (deployments/ingress/model_registry.py: Models.resilience), the number of open model calls, and
    the controller's last snapshot."""

    standings: Mapping[str, Sequence[ReplicaStatus]] = field(default_factory=dict)
    calls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    open: int = 0
    seen: ServeSnapshot | None = None


class DeploymentStatusSource(Protocol):
    """Queries Serve (deployments/clients/serve/serve_status.py). Neither method raises."""

    @property
    def last_status(self) -> ServeSnapshot | None:
        """The controller's last snapshot in this process."""
        ...

    async def status(self) -> ServeSnapshot | None:
        """The current snapshot; None where the controller does not answer."""
        ...

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        """What each replica of each model says of its queue; those that answer in time."""
        ...
