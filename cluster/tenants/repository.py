"""SQL of plans, tenants and the change log.

Methods take the caller's connection first and never commit. Each change is also written to the
table `changes`, in the same transaction, for the directories of all replicas. Knows no
authorization.
"""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, NotFound
from cluster.storage.locks import Lock, advisory_lock
from cluster.storage.pagination import DEFAULT_LIMIT, Page, is_id, page
from cluster.storage.tables import changes, plans, tenants
from cluster.tenants.plan import Plan

Kind = Literal[
    "plan", "tenant", "key", "user", "signing_key", "session", "cache", "team", "template"
]
Status = Literal["active", "suspended"]
# Fields of plans that are newer than the last release.
_NEWER = (
    *("end_user", "model_prices", "guardrails", "allowed_features", "operations_rates"),
    *("batch_price_percent", "search"),
)
CHANGE_RETENTION_S = 86_400.0  # a directory that is older reloads everything


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan and its metadata. `version` counts writes; times are Unix seconds."""

    plan: Plan
    version: int
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant. `plan` is a plan's id; `secret` is the key for derivations of this tenant."""

    id: str
    name: str
    plan: str
    status: Status
    secret: bytes = field(repr=False)
    created: float
    updated: float


async def record_change(connection: AsyncConnection, clock: Clock, kind: Kind, id: str) -> int:
    """Records that a row changed, which every directory reads after the commit; returns the `seq`.

    The lock makes the order of `seq` the order of commits: a reader that has read a number never
    finds a smaller one later.
    """
    await advisory_lock(connection, Lock.CHANGES)
    now = clock.wall()
    statement = insert(changes).values(at=now, kind=kind, id=id).returning(changes.c.seq)
    seq = int((await connection.execute(statement)).scalar_one())
    await connection.execute(delete(changes).where(changes.c.at < now - CHANGE_RETENTION_S))
    return seq


async def record_changes(
    connection: AsyncConnection, clock: Clock, kind: Kind, ids: Sequence[str]
) -> None:
    """Records changes of many rows; `ids` must not be empty."""
    await advisory_lock(connection, Lock.CHANGES)
    rows = [{"at": clock.wall(), "kind": kind, "id": id} for id in ids]
    await connection.execute(insert(changes), rows)


class PlanRepository:
    """Plans; they belong to the operator, not to a tenant."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def create(self, connection: AsyncConnection, plan: Plan) -> StoredPlan:
        """Raises Conflict if the id exists."""
        now = self._clock.wall()
        stored = StoredPlan(plan, 1, now, now)
        values = {"id": plan.id, "document": _document(plan), "version": 1}
        try:
            await connection.execute(insert(plans).values(**values, created=now, updated=now))
        except IntegrityError as error:
            raise Conflict(f"There is a plan '{plan.id}' already.", param="id") from error
        await record_change(connection, self._clock, "plan", plan.id)
        return stored

    async def get(self, connection: AsyncConnection, id: str) -> StoredPlan:
        """Raises NotFound."""
        result = (
            await connection.execute(select(plans).where(plans.c.id == id)) if is_id(id) else None
        )
        row = result.first() if result is not None else None
        if row is None:
            raise NotFound(f"There is no plan '{id[:63]}'.", param="plan")
        return _plan(row)

    async def list(
        self, connection: AsyncConnection, limit: int = DEFAULT_LIMIT, after: str | None = None
    ) -> Page[StoredPlan]:
        return await page(connection, select(plans), plans.c.id, limit, after, _plan)

    async def replace(
        self, connection: AsyncConnection, plan: Plan, version: int | None = None
    ) -> StoredPlan:
        """Replaces the plan of the same id.

        With `version`, only if that is the current one. Raises NotFound or Conflict.
        """
        old = await self.get(connection, plan.id)
        now, expected = self._clock.wall(), old.version if version is None else version
        result = await connection.execute(
            update(plans)
            .where(plans.c.id == plan.id, plans.c.version == expected)
            .values(document=_document(plan), version=expected + 1, updated=now)
        )
        if result.rowcount != 1:
            raise Conflict(
                f"Plan '{plan.id}' is at version {old.version}, not {expected}.", param="version"
            )
        await record_change(connection, self._clock, "plan", plan.id)
        return StoredPlan(plan, expected + 1, old.created, now)

    async def delete(self, connection: AsyncConnection, id: str) -> None:
        """Raises NotFound, or Conflict while a tenant uses it."""
        await self.get(connection, id)
        try:
            await connection.execute(delete(plans).where(plans.c.id == id))
        except IntegrityError as error:
            raise Conflict(f"Tenants are on plan '{id}'; move them first.", param="id") from error
        await record_change(connection, self._clock, "plan", id)


class TenantRepository:
    """Tenants. They are suspended, never deleted, as the ledger refers to them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._plans = PlanRepository(clock)

    async def create(self, connection: AsyncConnection, id: str, name: str, plan: str) -> Tenant:
        """Creates an active tenant with its own secret. Raises NotFound (plan) or Conflict (id)."""
        await self._plans.get(connection, plan)
        now = self._clock.wall()
        tenant = Tenant(id, name, plan, "active", secrets.token_bytes(32), now, now)
        try:
            await connection.execute(insert(tenants).values(**asdict(tenant)))
        except IntegrityError as error:
            raise Conflict(f"There is a tenant '{id}' already.", param="id") from error
        await record_change(connection, self._clock, "tenant", id)
        return tenant

    async def get(self, connection: AsyncConnection, tenant: str) -> Tenant:
        """Raises NotFound."""
        row = None
        if is_id(tenant):
            statement = select(tenants).where(tenants.c.id == tenant)
            row = (await connection.execute(statement)).first()
        if row is None:
            raise NotFound(f"There is no tenant '{tenant[:63]}'.", param="tenant")
        return _tenant(row)

    async def list(
        self, connection: AsyncConnection, limit: int = DEFAULT_LIMIT, after: str | None = None
    ) -> Page[Tenant]:
        return await page(connection, select(tenants), tenants.c.id, limit, after, _tenant)

    async def update(
        self,
        connection: AsyncConnection,
        tenant: str,
        *,
        name: str | None = None,
        plan: str | None = None,
        status: Status | None = None,
    ) -> Tenant:
        """Changes fields that are not None. Raises NotFound for the tenant or the plan."""
        await self.get(connection, tenant)
        if plan is not None:
            await self._plans.get(connection, plan)
        fields = {"name": name, "plan": plan, "status": status}
        values: dict[str, Any] = {key: value for key, value in fields.items() if value is not None}
        values["updated"] = self._clock.wall()
        await connection.execute(update(tenants).where(tenants.c.id == tenant).values(**values))
        await record_change(connection, self._clock, "tenant", tenant)
        return await self.get(connection, tenant)


def _document(plan: Plan) -> dict[str, Any]:
    """Without newer fields that say nothing: an earlier version does not know them."""
    fields = Plan.model_fields
    newer = {name for name in _NEWER if getattr(plan, name) == fields[name].default}
    return plan.model_dump(mode="json", exclude=newer)


def _plan(row: Row[Any]) -> StoredPlan:
    return StoredPlan(Plan.model_validate(row.document), row.version, row.created, row.updated)


def _tenant(row: Row[Any]) -> Tenant:
    return Tenant(**row._mapping)
