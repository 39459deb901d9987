"""Checks of models, and of the parts of Ray and Serve that an ingress replica depends on.

A deployment without replicas is never called, because that would start one.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cluster.health.checks.tcp import TcpCheck
from cluster.health.state import (
    UP,
    CheckOutcome,
    DependencyState,
    degraded,
    down,
    off,
)
from cluster.runtime.clock import Clock
from deployments.contracts.generation import ModelCard
from deployments.contracts.scaling import DeploymentState, DeploymentStatusSource

STATUS_AGE_S = 4.5  # less than the interval of the check of the controller itself


class ModelDirectory(Protocol):
    """deployments/ingress/model_registry.py"""

    async def card(self, model: str) -> ModelCard: ...

    def resilience(self) -> Mapping[str, Mapping[str, Any]]: ...


class ControllerCheck:
    """Whether Serve's controller says how the deployments are."""

    def __init__(self, serve: DeploymentStatusSource) -> None:
        self._serve = serve

    async def __call__(self) -> CheckOutcome:
        return down("does not answer") if await self._serve.status() is None else UP


class RecentStatus:
    """The controller's status, which all checks of deployments share: it is asked again when its
    last answer is older than STATUS_AGE_S."""

    def __init__(self, serve: DeploymentStatusSource, clock: Clock) -> None:
        self._serve = serve
        self._clock = clock

    async def find(self, name: str) -> DeploymentState | None:
        """A deployment as the controller knew it last; None: it has not told yet."""
        last = self._serve.last_status
        if last is None or not 0 <= self._clock.wall() - last.at < STATUS_AGE_S:
            await self._serve.status()
        return find_deployment(self._serve, name)

    async def count_answers(self, name: str) -> int:
        """How many replicas of a deployment, which has some, answer in time."""
        return await self._serve.count_answers(name)


class DeploymentCheck:
    """Whether a deployment has replicas that are ready, by the controller's last status, and they
    answer: one that hangs is ready for the controller until it has failed three health checks, and
    so is each that takes its place and hangs as well."""

    def __init__(self, serve: RecentStatus, name: str) -> None:
        self._serve = serve
        self._name = name

    async def __call__(self) -> CheckOutcome:
        state = await self._serve.find(self._name)
        if state is None:
            return CheckOutcome(DependencyState.UNKNOWN, "the controller has not told yet")
        if not (ready := state.count("ready")):
            return rate_deployment(state)
        answers = await self._serve.count_answers(self._name)
        if answers == 0:
            return down(f"{ready} ready, and none answers")
        if answers < ready:
            return degraded(f"{answers} of {ready} that are ready answer")
        return rate_deployment(state)


class ModelCheck:
    """Whether a model answers, and calls of it do not fail. `deployment` is None for a provider's
    model, which tells of its upstreams' background check and asks nobody."""

    def __init__(
        self,
        models: ModelDirectory,
        model: str,
        serve: RecentStatus,
        deployment: str | None,
    ) -> None:
        self._models = models
        self._model = model
        self._serve = serve
        self._deployment = deployment

    async def __call__(self) -> CheckOutcome:
        found = UP
        if self._deployment is not None:
            state = await self._serve.find(self._deployment)
            if state is not None:
                found = rate_deployment(state)
                if state.count("ready") == 0:
                    return found
        await self._models.card(self._model)
        calls = self._models.resilience().get(self._model)
        if calls is not None and calls["breaker"]["state"] == "open":
            return degraded("its circuit breaker is open: calls fail")
        return found


class ListenerCheck:
    """Whether something accepts connections on this node, once it has. Not every node has one."""

    def __init__(self, port: int, host: str) -> None:
        self._connect = TcpCheck(host, port)
        self._has_answered = False

    async def __call__(self) -> CheckOutcome:
        found = await self._connect()
        if found is UP:
            self._has_answered = True
        elif not self._has_answered:
            return CheckOutcome(DependencyState.UNKNOWN, "none has answered on this node yet")
        return found


class GcsCheck:
    """Whether Ray's GCS accepts connections. `address` gives `host:port`, or None without Ray."""

    def __init__(self, address: Callable[[], str | None]) -> None:
        self._address = address

    async def __call__(self) -> CheckOutcome:
        address = self._address()
        if address is None:
            return off("this process is not part of a Ray cluster")
        host, _, port = address.rpartition(":")
        return await TcpCheck(host.strip("[]"), int(port))()


def find_deployment(serve: DeploymentStatusSource, name: str) -> DeploymentState | None:
    """As the controller knew it last."""
    last = serve.last_status
    return None if last is None else last.deployments.get(name)


def rate_deployment(state: DeploymentState) -> CheckOutcome:
    if state.count("ready"):
        is_unhealthy = state.status in ("UNHEALTHY", "DEPLOY_FAILED")
        return degraded(f"its deployment is {state.status}") if is_unhealthy else UP
    if state.target == 0:
        return off("scaled to zero: a request starts a replica")
    if state.status == "UPDATING":
        return degraded("no replica is ready yet: it is being deployed")
    return down(f"no replica is ready; {state.target} are wanted")
