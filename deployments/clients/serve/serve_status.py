"""Reports about this application: Serve's status, models' load, and all ingress replicas' figures.

In: nothing but the cluster this runs in. Out: states, loads and figures, within a time limit.
Serve's controller may be away for seconds while another one starts; then the last status stays.
For reports, not for requests.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray import serve
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE
from ray.serve.handle import DeploymentHandle

from cluster.resilience.ray_errors import REMOTE_ERRORS
from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import DeploymentState, ServeReplica, ServeSnapshot, State

# ValueError: no such actor
_UNAVAILABLE = (*REMOTE_ERRORS, TimeoutError, ValueError)
_STATES: Mapping[str, State] = {
    "RUNNING": "ready",
    "PENDING_MIGRATION": "ready",
    "STOPPING": "stopping",
    "STOPPED": "stopping",
}
_MAX_AGE_S = 0.5  # callers within this time share one snapshot

logger = logging.getLogger("mobula.ingress")


class DeploymentHandles:
    """Handles of this application's deployments, each made once, at its first use."""

    def __init__(self) -> None:
        self._handles: dict[str, DeploymentHandle] = {}

    def of(self, deployment: str) -> DeploymentHandle:
        """Raises Ray's error, or ValueError, where it is not known."""
        if deployment not in self._handles:
            app = serve.get_replica_context().app_name
            self._handles[deployment] = serve.get_deployment_handle(deployment, app)
        return self._handles[deployment]


class ServeStatusClient:
    """Implements `DeploymentStatusSource` for the application that this replica is part of.

    `timeout_s` bounds each query.
    """

    def __init__(self, clock: Clock, timeout_s: float = 1.5) -> None:
        self.last_status: ServeSnapshot | None = None
        self._clock = clock
        self._timeout_s = timeout_s
        self._query: asyncio.Task[ServeSnapshot | None] | None = None
        self._controller: Any = None
        self._handles = DeploymentHandles()

    async def status(self) -> ServeSnapshot | None:
        """One query at a time: Ray retries for as long as the controller is away."""
        last = self.last_status
        if last is not None and 0 <= self._clock.wall() - last.at < _MAX_AGE_S:
            return last
        if self._query is None or self._query.done():
            self._query = create_detached_task(self._query_status(), name="serve-status")
        done, _ = await asyncio.wait((self._query,), timeout=self._timeout_s)
        return next(iter(done)).result() if done else None

    async def _query_status(self) -> ServeSnapshot | None:
        if not ray.is_initialized():
            return None  # Ray would start a cluster, to look for the controller in it
        try:
            details = await self._details()
        except _UNAVAILABLE as error:
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
        loads = await asyncio.gather(*map(self._loads, deployments))
        return dict(zip(deployments, loads, strict=True))

    async def count_answers(self, deployment: str) -> int:
        """Asks for what every replica has at hand."""
        try:
            handle = self._handles.of(deployment)
            return len(await collect_answers(handle, self._timeout_s, "loop_lag"))
        except _UNAVAILABLE:
            return 0

    async def _loads(self, deployment: str) -> Sequence[ModelLoad]:
        try:
            return await collect_answers(self._handles.of(deployment), self._timeout_s, "load")
        except _UNAVAILABLE:
            return ()


def gcs_address() -> str | None:
    """`host:port` of the GCS of the cluster that this process is part of; None without one."""
    if not ray.is_initialized():
        return None
    address: str = ray.get_runtime_context().gcs_address
    return address


class IngressPeers:
    """Fan-out to all ingress replicas of this application; `timeout_s` is for all together."""

    def __init__(self, timeout_s: float = 2.0) -> None:
        self._timeout_s = timeout_s
        self._handle: DeploymentHandle | None = None  # made once, at the first call

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        """One result for each replica that answers in time; empty where none can be reached."""
        try:
            if self._handle is None:
                context = serve.get_replica_context()
                self._handle = serve.get_deployment_handle(context.deployment, context.app_name)
            return await collect_answers(self._handle, self._timeout_s, method, *arguments)
        except (*REMOTE_ERRORS, TimeoutError) as error:
            logger.warning("the other ingress replicas do not answer: %s", error)
            return []


async def collect_answers(
    handle: DeploymentHandle, timeout_s: float, method: str, *arguments: Any
) -> list[Any]:
    """The results of `method` of every replica that answers in time: `timeout_s` is for all of it.

    Raises Ray's error where no replica can be reached. Serve's own `results_async` gives nothing at
    all if one replica is late, and a report is most needed while a replica hangs.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + timeout_s
    broadcast = handle.broadcast(method, *arguments)
    async with asyncio.timeout_at(ends):
        calls = await broadcast._fetch_replica_results_async()
    tasks = [asyncio.ensure_future(call.get_async()) for call in calls]
    if not tasks:
        return []
    done, late = await asyncio.wait(tasks, timeout=max(0.0, ends - loop.time()))
    for task in late:
        task.cancel()
    return [task.result() for task in done if task.exception() is None]


def parse_status(details: Mapping[str, Any], app: str, at: float) -> ServeSnapshot:
    """One application's part of the controller's details of the whole cluster."""
    application = details["applications"].get(app, {})
    deployments = application.get("deployments") or {}
    states = {name: _parse_deployment(name, entry) for name, entry in deployments.items()}
    return ServeSnapshot(at, states, application.get("last_deployed_time_s") or 0.0)


def _parse_deployment(name: str, entry: Mapping[str, Any]) -> DeploymentState:
    replicas = tuple(map(_parse_replica, entry.get("replicas") or ()))
    target = entry.get("target_num_replicas", len(replicas))
    ended = tuple(each["replica_id"] for each in entry.get("recent_dead_replicas") or ())
    return DeploymentState(name, entry["status"], entry.get("message", ""), target, replicas, ended)


def _parse_replica(entry: Mapping[str, Any]) -> ServeReplica:
    return ServeReplica(
        replica=entry["replica_id"],
        state=_STATES.get(entry["state"], "starting"),
        node=entry.get("node_id") or "",
        address=entry.get("node_ip") or "",
        since=entry.get("start_time_s") or 0.0,
        is_moving=entry["state"] == "PENDING_MIGRATION",
    )
