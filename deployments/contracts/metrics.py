"""Figures of replicas as they cross processes for the scrape.

Plain values, read by replicas of two versions during a rolling update.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cluster.metrics.replica_metrics import NamedReport


@dataclass(frozen=True, slots=True)
class DeploymentReports:
    """What the replicas of a deployment answered, and how many did not answer in time. `states`
    are its replicas by state, `target` is how many there are to be (None: nobody knows)."""

    reports: Sequence[NamedReport] = ()
    missing: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    target: int | None = None


@dataclass(frozen=True, slots=True)
class ClusterReports:
    """Of all deployments, by name. `status_age_s` is the age of what Serve's controller said of
    them (None: it has never answered)."""

    deployments: Mapping[str, DeploymentReports] = field(default_factory=dict)
    status_age_s: float | None = None


class ReplicaMetricsSource(Protocol):
    """Asks every replica of the application (deployments/clients/serve/metrics_client.py)."""

    @property
    def replica(self) -> str:
        """The name of this replica."""
        ...

    @property
    def deployment(self) -> str: ...

    async def collect(self) -> ClusterReports:
        """Only deployments that have a replica are asked. Takes a second at most, never raises."""
        ...
