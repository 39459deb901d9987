"""Administration of tenants: the operator creates and suspends them, they may rename themselves."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import Change, UnitOfWork
from cluster.events.kinds import EventKind
from cluster.runtime.problems import Conflict, Forbidden
from cluster.storage.pagination import Page
from cluster.tenants.caller import Scope
from cluster.tenants.plan import Plan
from cluster.tenants.repository import PlanRepository, Status, Tenant
from cluster.tenants.repository import TenantRepository as Repository
from cluster.tenants.settings import SettingsRepository, TenantSettings


class TenantService:
    """Lists, creates, changes and suspends tenants."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work
        self._tenants = Repository(unit_of_work.clock)
        self._plans = PlanRepository(unit_of_work.clock)
        self._settings = SettingsRepository(unit_of_work.clock)

    def audited(
        self, actor: Actor, tenant: str, action: str, resource: str
    ) -> AbstractAsyncContextManager[Change]:
        """A change of what belongs to no other service."""
        return self._unit_of_work.change(actor, tenant, action, resource)

    async def list(self, limit: int, after: str | None) -> Page[Tenant]:
        async with self._unit_of_work.database.read() as connection:
            return await self._tenants.list(connection, limit, after)

    async def get(self, tenant: str) -> Tenant:
        """Raises NotFound."""
        async with self._unit_of_work.database.read() as connection:
            return await self._tenants.get(connection, tenant)

    async def plan(self, tenant: str) -> Plan:
        """The tenant's plan. Raises NotFound."""
        async with self._unit_of_work.database.read() as connection:
            record = await self._tenants.get(connection, tenant)
            return (await self._plans.get(connection, record.plan)).plan

    async def create(self, actor: Actor, tenant: str, name: str, plan: str) -> Tenant:
        """Raises Conflict (the id is taken) or NotFound (the plan)."""
        async with self._unit_of_work.change(
            actor, tenant, "tenant.create", f"tenant:{tenant}"
        ) as change:
            created = await self._tenants.create(change.connection, tenant, name, plan)
            change.detail["plan"] = plan
            await change.publish(
                EventKind.TENANT_CREATED, {"id": tenant, "name": name, "plan": plan}
            )
        return created

    async def update(
        self,
        actor: Actor,
        tenant: str,
        *,
        name: str | None = None,
        plan: str | None = None,
        status: Status | None = None,
    ) -> Tenant:
        """Changes fields that are not None. Raises NotFound, Forbidden (plan, status), Conflict."""
        async with self._unit_of_work.change(
            actor, tenant, "tenant.update", f"tenant:{tenant}"
        ) as change:
            change.record_changed(name=name, plan=plan, status=status)
            _check_operator_fields(actor, plan=plan, status=status)
            _check_self_suspension(actor, tenant, status)
            before = await self._tenants.get(change.connection, tenant)
            after = await self._tenants.update(
                change.connection, tenant, name=name, plan=plan, status=status
            )
            await _publish_changes(change, before, after)
        return after

    async def settings(self, tenant: str) -> TenantSettings:
        """What the tenant has set. Raises NotFound."""
        async with self._unit_of_work.database.read() as connection:
            await self._tenants.get(connection, tenant)
            return await self._settings.get(connection, tenant)

    async def update_settings(
        self, actor: Actor, tenant: str, values: Mapping[str, Any]
    ) -> TenantSettings:
        """Changes the settings of these names; None clears one. Raises NotFound."""
        async with self._unit_of_work.change(
            actor, tenant, "tenant.settings", f"tenant:{tenant}"
        ) as change:
            change.detail["changed"] = ",".join(sorted(values))
            await change.lock_tenant()
            before = await self._settings.get(change.connection, tenant)
            after = TenantSettings.model_validate({**before.model_dump(), **values})
            await self._settings.put(change.connection, tenant, after)
            if after != before:
                data = {"id": tenant, "changed": ("settings",)}
                await change.publish(EventKind.TENANT_UPDATED, data)
        return after


def _check_operator_fields(actor: Actor, **values: object) -> None:
    for name, value in values.items():
        if value is not None and not actor.is_operator:
            raise Forbidden(
                f"Only the operator may change a tenant's {name}.",
                required_scope=str(Scope.ADMIN),
                param=name,
            )


def _check_self_suspension(actor: Actor, tenant: str, status: Status | None) -> None:
    if status == "suspended" and tenant == actor.caller.tenant:
        raise Conflict("You cannot suspend the tenant of your own key.", param="status")


async def _publish_changes(change: Change, before: Tenant, after: Tenant) -> None:
    if before.status != after.status:
        suspended = after.status == "suspended"
        kind = EventKind.TENANT_SUSPENDED if suspended else EventKind.TENANT_RESUMED
        await change.publish(kind, {"id": after.id})
    fields = ("name", "plan")
    changed = [name for name in fields if getattr(before, name) != getattr(after, name)]
    if changed:
        await change.publish(EventKind.TENANT_UPDATED, {"id": after.id, "changed": tuple(changed)})
