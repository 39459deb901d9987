"""Changing tenants: added and suspended by the operator, named by themselves."""

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import Change, UnitOfWork
from cluster.events.kinds import EventKind
from cluster.runtime.problems import Conflict, Forbidden
from cluster.storage.pagination import Page
from cluster.tenants.caller import Scope
from cluster.tenants.plan import Plan
from cluster.tenants.repository import PlanRepository, Status, Tenant
from cluster.tenants.repository import TenantRepository as Repository


class TenantService:
    """Listing, adding, changing and suspending tenants."""

    def __init__(self, desk: UnitOfWork) -> None:
        self._desk = desk
        self._tenants = Repository(desk.clock)
        self._plans = PlanRepository(desk.clock)

    async def list(self, limit: int, after: str | None) -> Page[Tenant]:
        async with self._desk.database.read() as connection:
            return await self._tenants.list(connection, limit, after)

    async def get(self, tenant: str) -> Tenant:
        """Raises NotFound."""
        async with self._desk.database.read() as connection:
            return await self._tenants.get(connection, tenant)

    async def plan(self, tenant: str) -> Plan:
        """The plan that the tenant is on. Raises NotFound."""
        async with self._desk.database.read() as connection:
            found = await self._tenants.get(connection, tenant)
            return (await self._plans.get(connection, found.plan)).plan

    async def create(self, actor: Actor, tenant: str, name: str, plan: str) -> Tenant:
        """Raises Conflict (the id is taken) or NotFound (the plan)."""
        async with self._desk.change(actor, tenant, "tenant.create", f"tenant:{tenant}") as case:
            made = await self._tenants.create(case.connection, tenant, name, plan)
            case.detail["plan"] = plan
            await case.publish(EventKind.TENANT_CREATED, {"id": tenant, "name": name, "plan": plan})
        return made

    async def update(
        self,
        actor: Actor,
        tenant: str,
        *,
        name: str | None = None,
        plan: str | None = None,
        status: Status | None = None,
    ) -> Tenant:
        """Change what is given. Raises NotFound, Forbidden (plan, status) or Conflict."""
        async with self._desk.change(actor, tenant, "tenant.update", f"tenant:{tenant}") as case:
            case.changed(name=name, plan=plan, status=status)
            _is_operators(actor, plan=plan, status=status)
            _keeps_itself(actor, tenant, status)
            before = await self._tenants.get(case.connection, tenant)
            after = await self._tenants.update(
                case.connection, tenant, name=name, plan=plan, status=status
            )
            await _tell(case, before, after)
        return after


def _is_operators(actor: Actor, **values: object) -> None:
    for name, value in values.items():
        if value is not None and not actor.is_operator:
            raise Forbidden(
                f"Only the operator changes a tenant's {name}.",
                required_scope=str(Scope.ADMIN),
                param=name,
            )


def _keeps_itself(actor: Actor, tenant: str, status: Status | None) -> None:
    if status == "suspended" and tenant == actor.caller.tenant:
        raise Conflict("You cannot suspend the tenant of your own key.", param="status")


async def _tell(case: Change, before: Tenant, after: Tenant) -> None:
    if before.status != after.status:
        suspended = after.status == "suspended"
        kind = EventKind.TENANT_SUSPENDED if suspended else EventKind.TENANT_RESUMED
        await case.publish(kind, {"id": after.id})
    fields = ("name", "plan")
    changed = [name for name in fields if getattr(before, name) != getattr(after, name)]
    if changed:
        await case.publish(EventKind.TENANT_UPDATED, {"id": after.id, "changed": tuple(changed)})
