"""Asks all replicas of this application for their figures, for one scrape.

In: Serve's status. Out: reports by deployment. A deployment without a replica is not asked: the
question would wake it. Each has TIMEOUT_S to answer; what does not is counted.
"""

import asyncio
from collections.abc import Mapping

from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.metrics.replica_metrics import METRICS
from cluster.resilience.ray_errors import REMOTE_ERRORS
from cluster.runtime.clock import Clock
from deployments.clients.serve.link_address import replica_identity, replica_name
from deployments.clients.serve.serve_status import ServeStatusClient, collect_answers
from deployments.contracts.metrics import DeploymentReports

TIMEOUT_S = 1.0


class ServeMetricsClient:
    """Implements `ReplicaMetricsSource` for the application that this replica is part of."""

    def __init__(self, clock: Clock) -> None:
        self._status = ServeStatusClient(clock, TIMEOUT_S)
        self._handles: dict[str, DeploymentHandle] = {}

    @property
    def replica(self) -> str:
        return replica_name()

    @property
    def deployment(self) -> str:
        return replica_identity().deployment

    async def collect(self) -> Mapping[str, DeploymentReports]:
        """Empty where Serve's controller has never answered."""
        snapshot = await self._status.status() or self._status.last_status
        if snapshot is None:
            return {}
        ready = {name: state.count("ready") for name, state in snapshot.deployments.items()}
        asked = [(name, count) for name, count in ready.items() if count]
        answers = await asyncio.gather(*(self._ask(name, count) for name, count in asked))
        return {name: answer for (name, _), answer in zip(asked, answers, strict=True)}

    async def _ask(self, deployment: str, replicas: int) -> DeploymentReports:
        try:
            if deployment not in self._handles:
                app = serve.get_replica_context().app_name
                self._handles[deployment] = serve.get_deployment_handle(deployment, app)
            handle = self._handles[deployment]
            reports = await collect_answers(handle, TIMEOUT_S, "report", METRICS)
        except (*REMOTE_ERRORS, TimeoutError, ValueError):
            reports = []
        return DeploymentReports(reports, max(0, replicas - len(reports)))
