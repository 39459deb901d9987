"""Models and deployments: what counts as down, and what must not be woken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Overloaded
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.contracts.scaling import DeploymentState, ServeReplica, ServeSnapshot, State
from deployments.ingress.health.serve_checks import (
    STATUS_AGE_S,
    ControllerCheck,
    DeploymentCheck,
    ListenerCheck,
    ModelCheck,
    RecentStatus,
)

NAME = "Model:words"


@dataclass
class FakeServe:
    """A controller that says `state` of the deployment; None: it does not answer."""

    state: DeploymentState | None
    last_status: ServeSnapshot | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    asked: int = 0
    answers: int | None = None  # None: all that are ready

    @property
    def recent(self) -> RecentStatus:
        return RecentStatus(self, self.clock)

    async def status(self) -> ServeSnapshot | None:
        self.asked += 1
        if self.state is not None:
            self.last_status = ServeSnapshot(self.clock.wall(), {NAME: self.state})
            return self.last_status
        return None

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        raise AssertionError("nobody asks for loads")

    async def count_answers(self, deployment: str) -> int:
        assert self.state is not None
        assert self.state.count("ready"), "it would be started"
        return self.state.count("ready") if self.answers is None else self.answers


@dataclass
class FakeModels:
    answers: bool = True
    breaker: str = "closed"
    asked: list[str] = field(default_factory=list)

    async def card(self, model: str) -> ModelCard:
        self.asked.append(model)
        if not self.answers:
            raise Overloaded("No replica is up.", retry_after_s=1)
        return ModelCard(model, "echo", "echo", "1", 100, 0)

    def resilience(self) -> Mapping[str, Mapping[str, Any]]:
        return {"words": {"breaker": {"state": self.breaker}}}


def deployment(target: int, *states: State, status: str = "HEALTHY") -> DeploymentState:
    replicas = tuple(ServeReplica(str(n), state, "", "", 1.0) for n, state in enumerate(states))
    return DeploymentState(NAME, status, "", target, replicas)


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (deployment(1, "ready"), "up"),
        (deployment(2, "ready", "starting", status="UPSCALING"), "up"),
        (deployment(2, "ready", status="UNHEALTHY"), "degraded"),
        (deployment(1, "starting"), "down"),
        (deployment(1, "starting", status="UPDATING"), "degraded"),
        (deployment(0), "off"),
    ],
)
async def test_a_deployment_is_up_with_one_replica_that_is_ready(
    state: DeploymentState, found: str
) -> None:
    serve = FakeServe(state)

    assert (await DeploymentCheck(serve.recent, NAME)()).state == found
    assert (await ModelCheck(FakeModels(), "words", serve.recent, NAME)()).state == found


@pytest.mark.parametrize(
    ("answers", "found", "detail"),
    [
        (2, "up", ""),
        (1, "degraded", "1 of 2 that are ready answer"),
        (0, "down", "2 ready, and none answers"),
    ],
)
async def test_a_deployment_whose_replicas_hang_is_not_up(
    answers: int, found: str, detail: str
) -> None:
    """Serve calls them ready until they have failed three health checks, of 5 s each."""
    serve = FakeServe(deployment(2, "ready", "ready"), answers=answers)

    outcome = await DeploymentCheck(serve.recent, NAME)()

    assert (outcome.state, outcome.detail) == (found, detail)


async def test_a_model_that_is_being_deployed_is_not_called() -> None:
    models = FakeModels()
    serve = FakeServe(deployment(1, "starting", status="UPDATING"))

    await ModelCheck(models, "words", serve.recent, NAME)()

    assert models.asked == []


@pytest.mark.parametrize("state", [deployment(0), deployment(1, "starting")])
async def test_a_model_without_a_ready_replica_is_not_called(state: DeploymentState) -> None:
    models = FakeModels()

    await ModelCheck(models, "words", FakeServe(state).recent, NAME)()

    assert models.asked == []


async def test_a_model_whose_breaker_is_open_is_degraded() -> None:
    models = FakeModels(breaker="open")

    found = await ModelCheck(models, "words", FakeServe(deployment(1, "ready")).recent, NAME)()

    assert (found.state, models.asked) == ("degraded", ["words"])


async def test_a_model_is_asked_where_the_controller_is_away() -> None:
    models, serve = FakeModels(), FakeServe(None)

    assert (await ModelCheck(models, "words", serve.recent, NAME)()).state == "up"
    assert (await ControllerCheck(serve)()).state == "down"
    assert (await DeploymentCheck(serve.recent, NAME)()).state == "unknown"


async def test_a_provider_s_model_tells_its_upstreams_problem() -> None:
    with pytest.raises(Overloaded):
        await ModelCheck(FakeModels(answers=False), "words", FakeServe(None).recent, None)()


async def test_a_port_that_nobody_ever_listened_on_is_unknown() -> None:
    assert (await ListenerCheck(1, "127.0.0.1")()).state == "unknown"


async def test_checks_share_the_controller_s_answer_for_a_while() -> None:
    serve = FakeServe(deployment(1, "ready"))
    check = DeploymentCheck(serve.recent, NAME)

    await check()
    await check()
    asked_at_first = serve.asked
    serve.state = deployment(1, "starting")
    serve.clock.advance(STATUS_AGE_S)

    assert (await check()).state == "down"
    assert (asked_at_first, serve.asked) == (1, 2)
