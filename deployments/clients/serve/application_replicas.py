"""Calls to every replica of this application, of whatever deployment; for reports and settings.

In: a method that all replicas have. Out: the results of those that answer in time. Deployments
without a running replica are not called, so that none is woken.
"""

import asyncio
import logging
from typing import Any

from cluster.resilience.ray_errors import REMOTE_ERRORS
from deployments.clients.serve.serve_status import DeploymentHandles, collect_answers
from deployments.contracts.scaling import DeploymentStatusSource

logger = logging.getLogger("mobula.ingress")


class ApplicationReplicas:
    """`timeout_s` is for each deployment; all are called at once."""

    def __init__(self, status: DeploymentStatusSource, timeout_s: float = 2.0) -> None:
        self._status = status
        self._timeout_s = timeout_s
        self._handles = DeploymentHandles()

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        """One result for each replica; empty while Serve's controller has never answered."""
        snapshot = await self._status.status() or self._status.last_status
        if snapshot is None:
            return []
        names = [name for name, state in snapshot.deployments.items() if state.count("ready") > 0]
        answers = await asyncio.gather(*(self._ask(name, method, *arguments) for name in names))
        return [answer for of_deployment in answers for answer in of_deployment]

    async def _ask(self, deployment: str, method: str, *arguments: Any) -> list[Any]:
        try:
            handle = self._handles.of(deployment)
            return await collect_answers(handle, self._timeout_s, method, *arguments)
        except (*REMOTE_ERRORS, TimeoutError) as error:
            logger.warning("no replica of %s answers: %s", deployment, type(error).__name__)
            return []
