"""Manual scaling bounds and scaling decisions, for the operator."""

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
    """Deployments are given by name; the caller knows which exist and their specs."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    async def set_bounds(
        self,
        actor: Actor,
        deployment: str,
        spec: ScalingSpec,
        floor: int | None,
        ceiling: int | None,
        for_s: float | None,
    ) -> BoundsOverride:
        """Sets bounds of `floor` to `ceiling` replicas for `for_s` seconds (None: until they are
        cleared); replaces earlier ones. Raises InvalidRequest, Forbidden.
        """
        _check_operator(actor)
        _check_bounds(spec, floor, ceiling)
        now = self._unit_of_work.clock.wall()
        until = None if for_s is None else now + for_s
        override = BoundsOverride(deployment, Bounds(floor, ceiling, until), actor.name, now)
        tenant, resource = actor.caller.tenant, _resource(deployment)
        async with self._unit_of_work.change(actor, tenant, "scaling.bound", resource) as change:
            await store.set_bounds(change.connection, override)
            values = {"floor": floor, "ceiling": ceiling, "until": until}
            change.detail |= {name: value for name, value in values.items() if value is not None}
            await change.publish(EventKind.SCALING_BOUND, {"id": deployment, **values})
        return override

    async def clear_bounds(self, actor: Actor, deployment: str) -> None:
        """Removes manual bounds, if any; the configuration applies again."""
        _check_operator(actor)
        tenant, resource = actor.caller.tenant, _resource(deployment)
        async with self._unit_of_work.change(actor, tenant, "scaling.release", resource) as change:
            change.detail["held"] = await store.clear_bounds(change.connection, deployment)
            await change.publish(EventKind.SCALING_RELEASED, {"id": deployment})

    async def active_bounds(self) -> dict[str, BoundsOverride]:
        """The bounds in effect now, by deployment."""
        now = self._unit_of_work.clock.wall()
        async with self._unit_of_work.database.read() as connection:
            overrides = await store.bounds(connection)
        return {
            override.deployment: override
            for override in overrides
            if override.bounds.is_active(now)
        }

    async def history(
        self, deployment: str | None, limit: int, cursor: str | None
    ) -> Page[Decision]:
        """Decisions, newest first. Raises InvalidRequest for an invalid cursor."""
        async with self._unit_of_work.database.read() as connection:
            return await store.read(connection, deployment, limit, cursor)

    async def recent(self, deployments: Iterable[str], limit: int) -> dict[str, Sequence[Decision]]:
        """The latest `limit` decisions of each deployment, newest first."""
        async with self._unit_of_work.database.read() as connection:
            return {name: (await store.read(connection, name, limit)).items for name in deployments}


def _check_operator(actor: Actor) -> None:
    scope = Scope.CLUSTER_WRITE
    if not actor.caller.allows(scope):
        raise Forbidden("Only operators may change scaling.", required_scope=str(scope))


def _check_bounds(spec: ScalingSpec, floor: int | None, ceiling: int | None) -> None:
    least, most = spec.min_replicas, spec.max_replicas
    for name, value in (("floor", floor), ("ceiling", ceiling)):
        if value is not None and not least <= value <= most:
            raise InvalidRequest(
                f"{name}: {value} is outside of the configured {least} to {most} replicas.",
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
