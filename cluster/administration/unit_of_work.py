"""Unit of work: one transaction holds a change, its audit record and its events.

In: an actor and an action. Out: a `Change` with the transaction's connection. At the end of the
block the audit record is appended and the transaction commits; a change without its record is
rolled back. Then this replica's directory is refreshed, so that the caller reads its own writes.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.administration.actor import Actor
from cluster.audit.record import AuditRecord, Scalar
from cluster.events.kinds import EventKind
from cluster.events.outbox import publish
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound, Problem
from cluster.storage.database import Database
from cluster.storage.tables import tenants

logger = logging.getLogger("mobula.administration")


class AuditWriter(Protocol):
    """cluster/audit/trail.py: AuditTrail."""

    def enqueue(self, record: AuditRecord) -> None: ...

    def enqueue_repeatable(self, record: AuditRecord) -> None: ...

    async def append(self, connection: AsyncConnection, record: AuditRecord) -> None: ...

    async def prune(self, before: float, by: AuditRecord | None = None) -> int: ...


class Directory(Protocol):
    """cluster/auth/credential_directory.py: Directory."""

    async def refresh(self) -> None: ...

    def secret_of(self, tenant: str) -> bytes: ...

    def jwks(self) -> Mapping[str, Any]: ...


Notify = Callable[[str, str, Mapping[str, Any]], None]  # tenant, kind, data: EventBus.notify


@dataclass(slots=True)
class Change:
    """A change in progress. The block sets `resource` and `detail` when it knows them."""

    connection: AsyncConnection
    actor: Actor
    tenant: str
    action: str
    resource: str
    clock: Clock
    detail: dict[str, Scalar] = field(default_factory=dict)
    published: list[tuple[EventKind, Mapping[str, Any]]] = field(default_factory=list)

    async def publish(self, kind: EventKind, data: Mapping[str, Any]) -> str:
        """Publishes an event of the tenant in this transaction; returns its id."""
        self.published.append((kind, data))
        return await publish(self.connection, self.clock, self.tenant, kind, data)

    async def lock_tenant(self) -> None:
        """Locks the tenant's row, which serializes its changes. Raises NotFound."""
        row = select(tenants.c.id).where(tenants.c.id == self.tenant).with_for_update()
        if (await self.connection.execute(row)).first() is None:
            raise NotFound(f"There is no tenant '{self.tenant}'.", param="tenant")

    def record_changed(self, **values: object) -> tuple[str, ...]:
        """Records the names of the values that are not None, without the values; returns them."""
        names = tuple(name for name, value in values.items() if value is not None)
        self.detail["changed"] = ",".join(names)
        return names

    def audit_record(self) -> AuditRecord:
        return AuditRecord(
            at=self.clock.wall(),
            tenant=self.tenant,
            actor=self.actor.name,
            action=self.action,
            resource=self.resource,
            request_id=self.actor.request_id,
            detail=dict(self.detail),
        )


class UnitOfWork:
    """Opens the transaction of every administrative change."""

    def __init__(
        self,
        database: Database,
        trail: AuditWriter,
        directory: Directory,
        clock: Clock,
        notify: Notify,
    ) -> None:
        """`notify` receives events after their commit."""
        self.database = database
        self.trail = trail
        self.clock = clock
        self.directory = directory
        self._notify = notify

    @asynccontextmanager
    async def change(
        self, actor: Actor, tenant: str, action: str, resource: str
    ) -> AsyncIterator[Change]:
        """Rolls back and raises on any error of the block; raises DatabaseUnavailable."""
        async with self.database.begin() as connection:
            change = Change(connection, actor, tenant, action, resource, self.clock)
            yield change
            await self.trail.append(connection, change.audit_record())
        await self._after_commit(change)

    async def _after_commit(self, change: Change) -> None:
        """Notifies of events and refreshes the directory; the change is committed already."""
        for kind, data in change.published:
            self._notify(change.tenant, kind, data)
        await self.refresh_directory()

    async def refresh_directory(self) -> None:
        """Refreshes this replica's directory; an unavailable database is logged."""
        try:
            await self.directory.refresh()
        except Problem as problem:
            logger.warning("the directory could not be refreshed: %s", problem.detail)
