"""Figures of replicas as they cross processes for the scrape.

Plain values, read by replicas of two versions during a rolling update.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cluster.metrics.replica_metrics import NamedReport


@dataclass(frozen=True, slots=True)
class DeploymentReports:
    """What the replicas of a deployment answered, and how many did not answer in time."""

    reports: Sequence[NamedReport]
    missing: int = 0


class ReplicaMetricsSource(Protocol):
    """Asks every replica of the application (deployments/clients/serve/metrics_client.py)."""

    @property
    def replica(self) -> str:
        """The name of this replica."""
        ...

    @property
    def deployment(self) -> str: ...

    async def collect(self) -> Mapping[str, DeploymentReports]:
        """By deployment; of those that have a replica. Takes some seconds at most, never raises."""
        ...
