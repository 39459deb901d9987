"""One transaction per change: what changes, its audit record and its event, or none of them.

Flows in: an actor and what it is about to do. Flows out: a `Change`, whose connection the change is
made on. When the block ends the audit record is appended and all of it commits; without its record
no change is kept. Afterwards this replica's directory is brought up to date, so that the caller
reads its own write.
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

    def jwks(self) -> Mapping[str, Any]: ...


Tell = Callable[[str, str, Mapping[str, Any]], None]  # tenant, kind, data: EventBus.tell


@dataclass(slots=True)
class Change:
    """A change under way. The block sets `resource` and `detail` as it learns them."""

    connection: AsyncConnection
    actor: Actor
    tenant: str
    action: str
    resource: str
    clock: Clock
    detail: dict[str, Scalar] = field(default_factory=dict)
    told: list[tuple[EventKind, Mapping[str, Any]]] = field(default_factory=list)

    async def publish(self, kind: EventKind, data: Mapping[str, Any]) -> str:
        """Publish an event of the tenant in this transaction; returns its id."""
        self.told.append((kind, data))
        return await publish(self.connection, self.clock, self.tenant, kind, data)

    async def tenant_exists(self) -> None:
        """Raises NotFound; else changes of this tenant wait for each other until this one ends."""
        row = select(tenants.c.id).where(tenants.c.id == self.tenant).with_for_update()
        if (await self.connection.execute(row)).first() is None:
            raise NotFound(f"There is no tenant '{self.tenant}'.", param="tenant")

    def changed(self, **values: object) -> tuple[str, ...]:
        """The names of values that were given; noted in the audit record, not the values."""
        names = tuple(name for name, value in values.items() if value is not None)
        self.detail["changed"] = ",".join(names)
        return names

    def record(self) -> AuditRecord:
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
    """Where every change passes."""

    def __init__(
        self, database: Database, trail: AuditWriter, directory: Directory, clock: Clock, tell: Tell
    ) -> None:
        """`tell` is told of events once they are committed."""
        self.database = database
        self.trail = trail
        self.clock = clock
        self.directory = directory
        self._tell = tell

    @asynccontextmanager
    async def change(
        self, actor: Actor, tenant: str, action: str, resource: str
    ) -> AsyncIterator[Change]:
        """Raises what the change raises, and StoreDown; then nothing was changed."""
        async with self.database.begin() as connection:
            case = Change(connection, actor, tenant, action, resource, self.clock)
            yield case
            await self.trail.append(connection, case.record())
        await self._after(case)

    async def _after(self, case: Change) -> None:
        """The change is kept whatever happens here; the directory also polls by itself."""
        for kind, data in case.told:
            self._tell(case.tenant, kind, data)
        await self.refresh_directory()

    async def refresh_directory(self) -> None:
        """Let this replica see what is committed by now; a store that is down is logged."""
        try:
            await self.directory.refresh()
        except Problem as problem:
            logger.warning("the directory could not be refreshed: %s", problem.detail)
