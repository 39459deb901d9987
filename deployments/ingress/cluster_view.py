"""What a replica of the ingress reaches of the cluster around it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from deployments.contracts.metrics import ReplicaMetricsSource
from deployments.contracts.scaling import DeploymentStatusSource
from deployments.ingress.metrics.scrape import LoneReplica
from deployments.ingress.scaling import Peers


@dataclass(frozen=True, slots=True)
class ClusterView:
    """`peers` are the replicas of the ingress, this one included; `replicas` are those of every
    deployment (None: only `peers` are reached). `metrics` asks all replicas for their figures.
    `gcs_address` gives that of Ray's GCS, None where there is none.
    """

    peers: Peers
    serve_status: DeploymentStatusSource
    replicas: Peers | None = None
    metrics: ReplicaMetricsSource = field(default_factory=LoneReplica)
    gcs_address: Callable[[], str | None] = lambda: None
