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
    """One replica as Serve's controller knows it; `node` is Ray's id, `address` the node's IP.
    `is_moving` is of one whose node is being drained, while another takes its place."""

    replica: str
    state: State
    node: str
    address: str
    since: float
    is_moving: bool = False


@version_tolerant
@dataclass(frozen=True, slots=True)
class DeploymentState:
    """`status` is Serve's term (HEALTHY, UPSCALING, ...); `target` is the target number. `ended`
    are the last replicas that are gone, as far as the controller remembers them."""

    name: str
    status: str
    message: str
    target: int
    replicas: tuple[ServeReplica, ...] = ()
    ended: tuple[str, ...] = ()

    def count(self, state: State) -> int:
        return sum(replica.state == state for replica in self.replicas)


@version_tolerant
@dataclass(frozen=True, slots=True)
class ServeSnapshot:
    """Every deployment of the application as the controller knew it at `at`; it was deployed last
    at `deployed_at`."""

    at: float
    deployments: Mapping[str, DeploymentState]
    deployed_at: float = 0.0


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
    """Queries Serve (deployments/clients/serve/serve_status.py). No method raises."""

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

    async def count_answers(self, deployment: str) -> int:
        """How many replicas of a deployment answer in time. Asking one without replicas would
        start one."""
        ...
