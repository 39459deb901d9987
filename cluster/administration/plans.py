"""Changing plans. They are the operator's; a tenant sees the one that it is on."""

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.events.kinds import EventKind
from cluster.runtime.problems import NotFound
from cluster.storage.pagination import Page
from cluster.tenants.plan import Plan
from cluster.tenants.repository import PlanRepository as Repository


class PlanService:
    """Listing, putting and deleting plans."""

    def __init__(self, desk: UnitOfWork) -> None:
        self._desk = desk
        self._plans = Repository(desk.clock)

    async def list(self, actor: Actor, limit: int, after: str | None) -> Page[Plan]:
        """Every plan for the operator, else the caller's own."""
        if not actor.is_operator:
            return Page((await self.get(actor, actor.caller.plan),), None)
        async with self._desk.database.read() as connection:
            stored = await self._plans.list(connection, limit, after)
        return Page(tuple(each.plan for each in stored.items), stored.next)

    async def get(self, actor: Actor, plan: str) -> Plan:
        """Raises NotFound, also for a plan that is not the caller's."""
        if not actor.is_operator and plan != actor.caller.plan:
            raise NotFound(f"There is no plan '{plan}'.", param="plan")
        async with self._desk.database.read() as connection:
            return (await self._plans.get(connection, plan)).plan

    async def put(self, actor: Actor, plan: Plan) -> tuple[Plan, bool]:
        """Add the plan or replace the one of its id; says whether it is new."""
        tenant = actor.caller.tenant
        async with self._desk.change(actor, tenant, "plan.put", f"plan:{plan.id}") as case:
            try:
                stored = await self._plans.replace(case.connection, plan)
                await case.publish(EventKind.PLAN_UPDATED, {"id": plan.id})
            except NotFound:
                stored = await self._plans.create(case.connection, plan)
                await case.publish(EventKind.PLAN_CREATED, {"id": plan.id})
            case.detail["version"] = stored.version
        return stored.plan, stored.version == 1

    async def delete(self, actor: Actor, plan: str) -> None:
        """Raises NotFound, or Conflict while a tenant is on it."""
        tenant = actor.caller.tenant
        async with self._desk.change(actor, tenant, "plan.delete", f"plan:{plan}") as case:
            await self._plans.delete(case.connection, plan)
            await case.publish(EventKind.PLAN_DELETED, {"id": plan})
