"""Health of dependencies by HTTP: the view of all ingress replicas, for the operator alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cluster.health.dependency import Dependency
from cluster.health.report import DependencyStatus, HealthReport
from cluster.health.state import UP, CheckOutcome, down
from cluster.runtime.clock import ManualClock
from deployments.ingress.health.overview import HealthOverview
from deployments.ingress.http.app import create_app
from tests.api.administration.world import World

PATH = "/api/v1/health/dependencies"


@dataclass
class OneStore:
    """A catalogue of one dependency, whose checks give `outcome`."""

    clock: ManualClock = field(default_factory=ManualClock)
    node: str = "10.0.0.1"
    outcome: CheckOutcome = UP
    checks: int = 0

    def collect(self) -> list[Dependency]:
        return [Dependency("store", "store", self._check, "Administration answers 503.")]

    async def _check(self) -> CheckOutcome:
        self.checks += 1
        return self.outcome

    async def close(self) -> None: ...


@dataclass
class OtherReplicas:
    """What they report; none answers where `reports` is empty."""

    reports: list[HealthReport] = field(default_factory=list)

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        assert (method, arguments) == ("report", ("health",))
        return self.reports


@dataclass
class Published:
    events: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)

    def publish(self, tenant: str, kind: str, data: Mapping[str, Any]) -> None:
        self.events.append((tenant, kind, data))


class Health:
    """The part of the application that a test moves."""

    def __init__(self) -> None:
        self.store, self.peers, self.published = OneStore(), OtherReplicas(), Published()
        self.overview = HealthOverview(self.store, self.peers, self.published, "ingress-1")

    async def check(self, outcome: CheckOutcome) -> None:
        self.store.outcome = outcome
        self.store.clock.advance(6.0)
        await self.overview.runner.check_due()
        await self.overview.runner.wait_for_checks()


@pytest.fixture
def health(world: World) -> Health:
    made = Health()
    world.app = create_app(replace(world.services, health=made.overview))
    return made


async def dependencies(world: World) -> dict[str, Any]:
    answer = await world.ask("operator", "GET", PATH)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


async def test_a_dependency_tells_its_state_since_when_and_what_follows(
    world: World, health: Health
) -> None:
    await health.check(UP)
    await health.check(UP)
    await health.check(down("no answer in 1 s"))
    failed_at = health.store.clock.wall()
    await health.check(down("no answer in 1 s"))

    found = await dependencies(world)

    [store] = found["dependencies"]
    assert (found["state"], found["ingress_replicas"]) == ("down", 1)
    assert (store["name"], store["state"], store["since"]) == ("store", "down", failed_at)
    assert store["detail"] == "no answer in 1 s"
    assert store["consequence"] == "Administration answers 503."
    assert [(each["replica"], each["node"]) for each in store["replicas"]] == [
        ("ingress-1", "10.0.0.1")
    ]


async def test_asking_checks_nothing(world: World, health: Health) -> None:
    await health.check(UP)
    checks = health.store.checks

    for _ in range(3):
        await dependencies(world)

    assert health.store.checks == checks


async def test_replicas_that_disagree_are_shown_side_by_side(world: World, health: Health) -> None:
    def report(replica: str, state: str, detail: str = "") -> HealthReport:
        status = DependencyStatus("redis", "limits", state, "", 1.0, 2.0, 0.1, detail)
        return HealthReport(replica, "node", (status,))

    health.peers.reports = [report("a", "up"), report("b", "down", "ConnectionError")]

    found = await dependencies(world)

    [redis] = found["dependencies"]
    assert (found["state"], found["ingress_replicas"]) == ("degraded", 2)
    assert redis["detail"] == "down for 1 of 2 replicas: ConnectionError"
    assert [each["state"] for each in redis["replicas"]] == ["up", "down"]


async def test_going_away_and_coming_back_are_events_of_the_operator(health: Health) -> None:
    for outcome in (UP, down("away"), down("away"), down("away"), UP, UP, UP):
        await health.check(outcome)

    kinds = [(tenant, kind, data["state"]) for tenant, kind, data in health.published.events]
    assert kinds == [("default", "dependency.down", "down"), ("default", "dependency.up", "up")]
    assert health.published.events[0][2]["detail"] == "away"


async def test_a_replica_that_starts_with_all_well_publishes_nothing(health: Health) -> None:
    await health.check(UP)

    assert health.published.events == []


async def test_the_health_of_a_replica_names_the_worst_state_to_those_with_a_key(
    world: World, health: Health
) -> None:
    for outcome in (UP, down("away"), down("away")):
        await health.check(outcome)

    known = await world.ask("operator", "GET", "/health")

    assert known.json()["dependencies"] == "down"
    assert known.json()["status"] == "ok"  # every model answers
