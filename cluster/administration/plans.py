"""Administration of plans by the operator; a tenant sees its own plan."""

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.events.kinds import EventKind
from cluster.runtime.problems import NotFound
from cluster.storage.pagination import Page
from cluster.tenants.plan import Plan
from cluster.tenants.repository import PlanRepository as Repository


class PlanService:
    """Lists, reads, replaces and deletes plans."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work
        self._plans = Repository(unit_of_work.clock)

    async def list(self, actor: Actor, limit: int, after: str | None) -> Page[Plan]:
        """Every plan for the operator, else the caller's plan."""
        if not actor.is_operator:
            return Page((await self.get(actor, actor.caller.plan),), None)
        async with self._unit_of_work.database.read() as connection:
            stored_page = await self._plans.list(connection, limit, after)
        return Page(tuple(stored.plan for stored in stored_page.items), stored_page.next)

    async def get(self, actor: Actor, plan: str) -> Plan:
        """Raises NotFound, also for a plan that is not the caller's."""
        if not actor.is_operator and plan != actor.caller.plan:
            raise NotFound(f"There is no plan '{plan}'.", param="plan")
        async with self._unit_of_work.database.read() as connection:
            return (await self._plans.get(connection, plan)).plan

    async def put(self, actor: Actor, plan: Plan) -> tuple[Plan, bool]:
        """Creates or replaces the plan; returns whether it is new."""
        tenant = actor.caller.tenant
        async with self._unit_of_work.change(
            actor, tenant, "plan.put", f"plan:{plan.id}"
        ) as change:
            try:
                stored = await self._plans.replace(change.connection, plan)
                await change.publish(EventKind.PLAN_UPDATED, {"id": plan.id})
            except NotFound:
                stored = await self._plans.create(change.connection, plan)
                await change.publish(EventKind.PLAN_CREATED, {"id": plan.id})
            change.detail["version"] = stored.version
        return stored.plan, stored.version == 1

    async def delete(self, actor: Actor, plan: str) -> None:
        """Raises NotFound, or Conflict while a tenant uses it."""
        tenant = actor.caller.tenant
        async with self._unit_of_work.change(
            actor, tenant, "plan.delete", f"plan:{plan}"
        ) as change:
            await self._plans.delete(change.connection, plan)
            await change.publish(EventKind.PLAN_DELETED, {"id": plan})
