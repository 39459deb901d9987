"""How deployments scale, as the operator steers and reads it: bounds by hand, and decisions."""

from collections.abc import Iterable, Sequence

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.autoscaling import store
from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.spec import ScalingSpec
from cluster.autoscaling.store import BoundsOverride
from cluster.events.kinds import EventKind
from cluster.runtime.problems import Forbidden, InvalidRequest
from cluster.storage.pagination import Page
from cluster.tenants.caller import Scope


class ScalingService:
    """Deployments are known by name here; which there are, and their specs, the caller knows."""

    def __init__(self, desk: UnitOfWork) -> None:
        self._desk = desk

    async def set_bounds(
        self,
        actor: Actor,
        deployment: str,
        spec: ScalingSpec,
        floor: int | None,
        ceiling: int | None,
        for_s: float | None,
    ) -> BoundsOverride:
        """At least `floor` and at most `ceiling` replicas for `for_s` seconds (None: until they are
        taken back), in the place of bounds that there were. Raises InvalidRequest, Forbidden.
        """
        _operates(actor)
        _check(spec, floor, ceiling)
        now = self._desk.clock.wall()
        until = None if for_s is None else now + for_s
        laid = BoundsOverride(deployment, Bounds(floor, ceiling, until), actor.name, now)
        tenant, resource = actor.caller.tenant, _resource(deployment)
        async with self._desk.change(actor, tenant, "scaling.bound", resource) as case:
            await store.set_bounds(case.connection, laid)
            said = {"floor": floor, "ceiling": ceiling, "until": until}
            case.detail |= {name: value for name, value in said.items() if value is not None}
            await case.publish(EventKind.SCALING_BOUND, {"id": deployment, **said})
        return laid

    async def clear_bounds(self, actor: Actor, deployment: str) -> None:
        """From now on the configuration alone counts, also where nothing was laid down."""
        _operates(actor)
        tenant, resource = actor.caller.tenant, _resource(deployment)
        async with self._desk.change(actor, tenant, "scaling.release", resource) as case:
            case.detail["held"] = await store.clear_bounds(case.connection, deployment)
            await case.publish(EventKind.SCALING_RELEASED, {"id": deployment})

    async def active_bounds(self) -> dict[str, BoundsOverride]:
        """The bounds that hold now, by deployment."""
        now = self._desk.clock.wall()
        async with self._desk.database.read() as connection:
            found = await store.bounds(connection)
        return {each.deployment: each for each in found if each.bounds.is_active(now)}

    async def history(
        self, deployment: str | None, limit: int, cursor: str | None
    ) -> Page[Decision]:
        """The newest decisions first. Raises InvalidRequest for a cursor that is not one."""
        async with self._desk.database.read() as connection:
            return await store.read(connection, deployment, limit, cursor)

    async def recent(self, deployments: Iterable[str], most: int) -> dict[str, Sequence[Decision]]:
        """The newest `most` decisions of each, newest first."""
        async with self._desk.database.read() as connection:
            return {name: (await store.read(connection, name, most)).items for name in deployments}


def _operates(actor: Actor) -> None:
    if not actor.is_operator:
        raise Forbidden("Only the operator steers scaling.", required_scope=str(Scope.ADMIN))


def _check(spec: ScalingSpec, floor: int | None, ceiling: int | None) -> None:
    least, most = spec.min_replicas, spec.max_replicas
    for name, value in (("floor", floor), ("ceiling", ceiling)):
        if value is not None and not least <= value <= most:
            raise InvalidRequest(
                f"{name}: {value} is outside what is configured, {least} to {most} replicas.",
                param=name,
                min_replicas=least,
                max_replicas=most,
            )
    if floor is not None and ceiling is not None and floor > ceiling:
        raise InvalidRequest(
            f"floor: {floor} is more than the ceiling, {ceiling}.", param="floor", ceiling=ceiling
        )


def _resource(deployment: str) -> str:
    return f"scaling:{deployment}"
