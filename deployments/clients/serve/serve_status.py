"""What Serve knows of this application's deployments, and what models say of their queues.

In: nothing but the cluster this runs in. Out: states and loads, within a time limit. Serve's
controller may be away for seconds while another one starts; then the last that it said is kept.
For reports, not requests.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from deployments.clients.serve.ingress_peers import collect_answers
from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import DeploymentState, ServeReplica, ServeSnapshot, State

_AWAY = (RayError, RayServeException, TimeoutError, ValueError)  # ValueError: no such actor
_STATES: Mapping[str, State] = {
    "RUNNING": "ready",
    "PENDING_MIGRATION": "ready",
    "STOPPING": "stopping",
    "STOPPED": "stopping",
}
_FRESH_S = 0.5  # those who ask at the same moment are told the same

logger = logging.getLogger("mobula.ingress")


class ServeStatusClient:
    """An Overseer for the application that this replica is of; `timeout_s` is for each question."""

    def __init__(self, clock: Clock, timeout_s: float = 1.5) -> None:
        self.last_status: ServeSnapshot | None = None
        self._clock = clock
        self._timeout_s = timeout_s
        self._asking: asyncio.Task[ServeSnapshot | None] | None = None
        self._controller: Any = None
        self._models: dict[str, DeploymentHandle] = {}

    async def status(self) -> ServeSnapshot | None:
        """One question at a time: Ray asks on, for as long as the controller is away."""
        if (
            self.last_status is not None
            and 0 <= self._clock.wall() - self.last_status.at < _FRESH_S
        ):
            return self.last_status
        if self._asking is None or self._asking.done():
            self._asking = create_detached_task(self._ask(), name="serve-states")
        done, _ = await asyncio.wait((self._asking,), timeout=self._timeout_s)
        return next(iter(done)).result() if done else None

    async def _ask(self) -> ServeSnapshot | None:
        try:
            details = await self._details()
        except _AWAY as error:
            logger.warning("Serve's controller does not answer: %s", type(error).__name__)
            return None
        self.last_status = parse_status(
            details, serve.get_replica_context().app_name, self._clock.wall()
        )
        return self.last_status

    async def _details(self) -> Mapping[str, Any]:
        if self._controller is None:
            self._controller = await asyncio.to_thread(
                ray.get_actor, SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE
            )
        return await self._controller.get_serve_instance_details.remote()

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        found = await asyncio.gather(*map(self._loads, deployments))
        return dict(zip(deployments, found, strict=True))

    async def _loads(self, deployment: str) -> Sequence[ModelLoad]:
        try:
            if deployment not in self._models:
                app = serve.get_replica_context().app_name
                self._models[deployment] = serve.get_deployment_handle(deployment, app)
            return await collect_answers(self._models[deployment], self._timeout_s, "load")
        except _AWAY:
            return ()


def parse_status(details: Mapping[str, Any], app: str, at: float) -> ServeSnapshot:
    """From what the controller answers about the whole cluster."""
    deployments = details["applications"].get(app, {}).get("deployments") or {}
    return ServeSnapshot(at, {name: _state(name, found) for name, found in deployments.items()})


def _state(name: str, found: Mapping[str, Any]) -> DeploymentState:
    replicas = tuple(map(_replica, found.get("replicas") or ()))
    target = found.get("target_num_replicas", len(replicas))
    return DeploymentState(name, found["status"], found.get("message", ""), target, replicas)


def _replica(found: Mapping[str, Any]) -> ServeReplica:
    return ServeReplica(
        replica=found["replica_id"],
        state=_STATES.get(found["state"], "starting"),
        node=found.get("node_id") or "",
        address=found.get("node_ip") or "",
        since=found.get("start_time_s") or 0.0,
    )
