"""The library of two tenants, on both stores, with a clock that stands still."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.administration.actor import Actor
from cluster.administration.library import LibraryService
from cluster.administration.unit_of_work import UnitOfWork
from cluster.audit.record import AuditRecord
from cluster.library.model import LibraryLimits, PostDraft, PostText
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.tenants.caller import Caller, Scope

RIGHTS = frozenset({Scope.LIBRARY_READ, Scope.LIBRARY_WRITE, Scope.LIBRARY_APPROVE})
ANA = Actor(Caller("acme", "ana", RIGHTS, kind="user"), "req_1")
BEN = Actor(Caller("acme", "ben", RIGHTS, kind="user"), "req_2")
MakeLibrary = Callable[..., LibraryService]


@dataclass
class Trail:
    """Keeps the records that are appended."""

    records: list[AuditRecord] = field(default_factory=list)

    def enqueue(self, record: AuditRecord) -> None: ...

    def enqueue_repeatable(self, record: AuditRecord) -> None: ...

    async def append(self, connection: AsyncConnection, record: AuditRecord) -> None:
        self.records.append(record)

    async def prune(self, before: float, by: AuditRecord | None = None) -> int:
        return 0


class NoDirectory:
    async def refresh(self) -> None: ...

    def secret_of(self, tenant: str) -> bytes:
        return tenant.encode()

    def jwks(self) -> Mapping[str, Any]:
        return {}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(tenants_url: str) -> AsyncIterator[Database]:
    database = Database(tenants_url)
    yield database
    await database.close()


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture
def make(database: Database, clock: ManualClock, trail: Trail) -> MakeLibrary:
    def make(**limits: int) -> LibraryService:
        unit = UnitOfWork(database, trail, NoDirectory(), clock, lambda *_: None)
        return LibraryService(unit, LibraryLimits(**limits))

    return make


@pytest.fixture
def library(make: MakeLibrary) -> LibraryService:
    return make()


def draft(body: str = "Coffee on the roof", id: str = "", **more: Any) -> PostDraft:
    fields = {"platform": "linkedin", "language": "English", **more}
    return PostDraft(id, PostText(fields.pop("title", ""), body), **fields)
