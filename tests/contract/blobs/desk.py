"""A TenantFiles with what it stands on, and a view of what it really holds."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

from sqlalchemy import select

from cluster.blobs.files import TenantFiles
from cluster.blobs.paths import ROOT
from cluster.blobs.store import BlobStore
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import stored_objects
from cluster.tenants.plan import Plan

MB = 1 << 20
TYPE = "video/mp4"


@dataclass
class Allowed:
    """The plan that every tenant is on; None: no limit."""

    storage_bytes: int | None = None


@dataclass
class Desk:
    """`rows` and `objects` look past the interface, at what there is."""

    database: Database
    store: BlobStore
    clock: ManualClock
    plan: Allowed = field(default_factory=Allowed)

    def __post_init__(self) -> None:
        def plan_of(_: str) -> Plan:
            return Plan.model_validate(
                {"id": "default", "media": {"storage_bytes": self.plan.storage_bytes}}
            )

        self.files = TenantFiles(self.database, self.store, self.clock, plan_of, Random(7))

    async def rows(self) -> list[tuple[str, str, int]]:
        """Tenant, path and bytes of every row, those without a name included."""
        columns = stored_objects.c
        async with self.database.read() as connection:
            found = await connection.execute(select(columns.tenant, columns.path, columns.bytes))
            return [tuple(row) for row in found]

    async def objects(self) -> list[str]:
        """Where in the store there are bytes."""
        return [each async for some in self.store.list_older_than(ROOT, 1e12) for each in some]

    async def content(self, tenant: str, path: str) -> bytes:
        return b"".join([block async for block in await self.files.open(tenant, path)])


async def chunks(*given: bytes) -> AsyncIterator[bytes]:
    for each in given:
        yield each
