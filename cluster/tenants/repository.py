"""Plans, tenants and the list of changes: every SQL statement about them.

Methods take the caller's connection first and never commit. Each change is also written to
`changes`, in the same transaction, for the directories of all replicas. Knows no rules about who
may do what.
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
from cluster.storage.pagination import USUAL, Page, is_id, page
from cluster.storage.tables import changes, plans, tenants
from cluster.tenants.plan import Plan

Kind = Literal["plan", "tenant", "key", "user", "signing_key", "session", "cache"]
Status = Literal["active", "suspended"]
CHANGES_KEPT_S = 86_400.0  # a directory that slept longer loads everything


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """`version` counts the writes; times are Unix seconds."""

    plan: Plan
    version: int
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class Tenant:
    """`plan` is a plan's id; `secret` keys whatever is derived for this tenant alone."""

    id: str
    name: str
    plan: str
    status: Status
    secret: bytes = field(repr=False)
    created: float
    updated: float


async def record_change(connection: AsyncConnection, clock: Clock, kind: Kind, id: str) -> int:
    """Tell every directory, once the transaction commits, that this row changed. Returns its `seq`.

    The lock makes the order of `seq` the order of commits: a reader that has seen one number will
    never be shown a smaller one.
    """
    await advisory_lock(connection, Lock.CHANGES)
    now = clock.wall()
    made = insert(changes).values(at=now, kind=kind, id=id).returning(changes.c.seq)
    seq = int((await connection.execute(made)).scalar_one())
    await connection.execute(delete(changes).where(changes.c.at < now - CHANGES_KEPT_S))
    return seq


async def record_changes(
    connection: AsyncConnection, clock: Clock, kind: Kind, ids: Sequence[str]
) -> None:
    """The same for many rows; `ids` is not empty."""
    await advisory_lock(connection, Lock.CHANGES)
    rows = [{"at": clock.wall(), "kind": kind, "id": id} for id in ids]
    await connection.execute(insert(changes), rows)


class PlanRepository:
    """Plans belong to the operator, not to a tenant."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def create(self, connection: AsyncConnection, plan: Plan) -> StoredPlan:
        """Raises Conflict when the id is taken."""
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
        found = (
            await connection.execute(select(plans).where(plans.c.id == id)) if is_id(id) else None
        )
        row = found.first() if found is not None else None
        if row is None:
            raise NotFound(f"There is no plan '{id[:63]}'.", param="plan")
        return _plan(row)

    async def list(
        self, connection: AsyncConnection, limit: int = USUAL, after: str | None = None
    ) -> Page[StoredPlan]:
        return await page(connection, select(plans), plans.c.id, limit, after, _plan)

    async def replace(
        self, connection: AsyncConnection, plan: Plan, version: int | None = None
    ) -> StoredPlan:
        """Put `plan` in the place of the one with its id.

        With `version`, only if it is still at that version. Raises NotFound or Conflict.
        """
        old = await self.get(connection, plan.id)
        now, expected = self._clock.wall(), old.version if version is None else version
        done = await connection.execute(
            update(plans)
            .where(plans.c.id == plan.id, plans.c.version == expected)
            .values(document=_document(plan), version=expected + 1, updated=now)
        )
        if done.rowcount != 1:
            raise Conflict(
                f"Plan '{plan.id}' is at version {old.version}, not {expected}.", param="version"
            )
        await record_change(connection, self._clock, "plan", plan.id)
        return StoredPlan(plan, expected + 1, old.created, now)

    async def delete(self, connection: AsyncConnection, id: str) -> None:
        """Raises NotFound, or Conflict while a tenant is on it."""
        await self.get(connection, id)
        try:
            await connection.execute(delete(plans).where(plans.c.id == id))
        except IntegrityError as error:
            raise Conflict(f"Tenants are on plan '{id}'; move them first.", param="id") from error
        await record_change(connection, self._clock, "plan", id)


class TenantRepository:
    """The tenants themselves. They are suspended, never deleted: the ledger names them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._plans = PlanRepository(clock)

    async def create(self, connection: AsyncConnection, id: str, name: str, plan: str) -> Tenant:
        """An active tenant with a secret of its own. Raises NotFound (plan) or Conflict (id)."""
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
        self, connection: AsyncConnection, limit: int = USUAL, after: str | None = None
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
        """Change what is not None. Raises NotFound for the tenant or the plan."""
        await self.get(connection, tenant)
        if plan is not None:
            await self._plans.get(connection, plan)
        given = {"name": name, "plan": plan, "status": status}
        values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        values["updated"] = self._clock.wall()
        await connection.execute(update(tenants).where(tenants.c.id == tenant).values(**values))
        await record_change(connection, self._clock, "tenant", tenant)
        return await self.get(connection, tenant)


def _document(plan: Plan) -> dict[str, Any]:
    return plan.model_dump(mode="json")


def _plan(row: Row[Any]) -> StoredPlan:
    return StoredPlan(Plan.model_validate(row.document), row.version, row.created, row.updated)


def _tenant(row: Row[Any]) -> Tenant:
    return Tenant(**row._mapping)
