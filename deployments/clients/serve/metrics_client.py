"""Asks all replicas of this application for their figures, for one scrape.

In: Serve's status. Out: reports by deployment, TIMEOUT_S later at most, whichever replicas or
controllers hang; what has not answered until then is counted. A deployment without a replica is not
asked: the question would wake it.
"""

import asyncio
from collections.abc import Mapping

from cluster.metrics.replica_metrics import METRICS, NamedReport
from cluster.resilience.ray_errors import REMOTE_ERRORS
from cluster.runtime.clock import Clock
from deployments.clients.serve.link_address import replica_identity, replica_name
from deployments.clients.serve.serve_status import (
    DeploymentHandles,
    ServeStatusClient,
    collect_answers,
)
from deployments.contracts.metrics import ClusterReports, DeploymentReports
from deployments.contracts.scaling import DeploymentState, ServeSnapshot, State

TIMEOUT_S = 1.0  # for everything
STATUS_S = 0.25  # for the controller, if it has answered before
_STATES: tuple[State, ...] = ("ready", "starting", "stopping")


class ServeMetricsClient:
    """Implements `ReplicaMetricsSource` for the application that this replica is part of."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._status = ServeStatusClient(clock, TIMEOUT_S)
        self._handles = DeploymentHandles()

    @property
    def replica(self) -> str:
        return replica_name()

    @property
    def deployment(self) -> str:
        return replica_identity().deployment

    async def collect(self) -> ClusterReports:
        """Empty where Serve's controller has never answered."""
        ends = asyncio.get_running_loop().time() + TIMEOUT_S
        snapshot = await self._snapshot()
        if snapshot is None:
            return ClusterReports()
        states = snapshot.deployments
        answers = await asyncio.gather(*(self._reports(*each, ends) for each in states.items()))
        age_s = max(0.0, self._clock.wall() - snapshot.at)
        return ClusterReports(dict(zip(states, answers, strict=True)), age_s)

    async def _snapshot(self) -> ServeSnapshot | None:
        """The status that the controller gives in time, else the last one it gave."""
        last = self._status.last_status
        try:
            async with asyncio.timeout(TIMEOUT_S if last is None else STATUS_S):
                return await self._status.status() or last
        except TimeoutError:
            return last

    async def _reports(self, name: str, state: DeploymentState, ends: float) -> DeploymentReports:
        counts: Mapping[str, int] = {each: state.count(each) for each in _STATES}
        ready = counts["ready"]
        reports = await self._ask(name, ends) if ready else []
        return DeploymentReports(reports, max(0, ready - len(reports)), counts, state.target)

    async def _ask(self, deployment: str, ends: float) -> list[NamedReport]:
        left_s = ends - asyncio.get_running_loop().time()
        try:
            return await collect_answers(self._handles.of(deployment), left_s, "report", METRICS)
        except (*REMOTE_ERRORS, TimeoutError, ValueError):
            return []
