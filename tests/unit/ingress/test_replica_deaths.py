"""Which ends of replicas are deaths: neither a deploy nor the scaling asked for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.metrics.catalogue.scaling import DIED
from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import DeploymentState, ServeReplica, ServeSnapshot, State
from deployments.ingress.metrics.replica_deaths import ReplicaDeaths

NAME = "Model:words"


@dataclass
class Controller:
    """Says what is in `next`, as many replicas as are named there."""

    next: ServeSnapshot | None = None
    last_status: ServeSnapshot | None = None
    asked: list[str] = field(default_factory=list)

    async def status(self) -> ServeSnapshot | None:
        self.last_status = self.next or self.last_status
        return self.next

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        self.asked.extend(deployments)
        return {}

    async def count_answers(self, deployment: str) -> int:
        return 1


def snapshot(
    ready: str = "",
    *,
    stopping: str = "",
    moving: str = "",
    ended: str = "",
    status: str = "HEALTHY",
    target: int = 1,
    deployed_at: float = 1.0,
) -> ServeSnapshot:
    """Replicas are letters; those that are `moving` are ready as well."""

    def of(names: str, state: State) -> list[ServeReplica]:
        return [ServeReplica(name, state, "", "", 0.0, name in moving) for name in names]

    replicas = (*of(ready + moving, "ready"), *of(stopping, "stopping"))
    state = DeploymentState(NAME, status, "", target, replicas, tuple(ended))
    return ServeSnapshot(0.0, {NAME: state}, deployed_at)


async def deaths(*snapshots: ServeSnapshot | None) -> float:
    controller = Controller()
    counted = ReplicaDeaths(controller)
    for each in snapshots:
        controller.next = each
        await counted.status()
    [(metric, samples)] = counted.read()
    assert metric is DIED
    return dict(samples).get((NAME,), 0)


async def test_a_replica_that_is_gone_has_died_once() -> None:
    dead = snapshot("b", ended="a", status="UNHEALTHY")

    assert await deaths(snapshot("a"), dead, dead, snapshot("b", ended="a")) == 1


async def test_one_that_lived_between_two_looks_is_remembered_by_the_controller() -> None:
    assert await deaths(snapshot("a"), snapshot("d", ended="abc", status="UNHEALTHY")) == 3


async def test_one_that_the_controller_does_not_remember_was_seen_before() -> None:
    assert await deaths(snapshot("a"), snapshot("b"), snapshot("c")) == 2


async def test_one_that_failed_its_health_checks_has_died_before_it_has_stopped() -> None:
    hangs = snapshot("", stopping="a", status="UNHEALTHY")

    assert await deaths(snapshot("a"), hangs, snapshot("b", ended="a")) == 1


async def test_what_ended_before_this_process_looked_is_not_counted() -> None:
    assert await deaths(snapshot("c", ended="ab"), snapshot("c", ended="ab")) == 0


async def test_a_deploy_ends_replicas_on_purpose() -> None:
    rolling = snapshot("b", stopping="a", status="UPDATING", deployed_at=2.0)

    assert await deaths(snapshot("a"), rolling, snapshot("b", ended="a", deployed_at=2.0)) == 0


async def test_a_deploy_between_two_looks_is_known_by_its_time() -> None:
    assert await deaths(snapshot("a"), snapshot("b", ended="a", deployed_at=2.0)) == 0


async def test_scaling_down_ends_replicas_on_purpose() -> None:
    fewer = snapshot("a", stopping="b", status="DOWNSCALING")

    assert await deaths(snapshot("ab", target=2), fewer, snapshot("a", ended="b")) == 0
    assert await deaths(snapshot("ab", target=2), snapshot("a", ended="b")) == 0


async def test_a_replica_that_moves_to_another_node_has_not_died() -> None:
    moved = snapshot("b", stopping="a")

    assert await deaths(snapshot("", moving="a"), moved, snapshot("b", ended="a")) == 0


async def test_a_controller_that_is_away_or_has_forgotten_makes_no_deaths() -> None:
    assert await deaths(snapshot("a", ended="z"), None, snapshot("a")) == 0
    empty = ServeSnapshot(0.0, {})
    assert await deaths(snapshot("a"), empty, snapshot("b")) == 0


async def test_every_deployment_has_a_series_before_its_first_death() -> None:
    counted = ReplicaDeaths(Controller(snapshot("a")))
    await counted.status()

    [(_, samples)] = counted.read()

    assert list(samples) == [((NAME,), 0)]


async def test_other_questions_are_passed_on() -> None:
    controller = Controller(snapshot("a"))
    counted = ReplicaDeaths(controller)
    await counted.status()

    await counted.loads([NAME])

    assert controller.asked == [NAME]
    assert await counted.count_answers(NAME) == 1
    assert counted.last_status is controller.last_status is not None
