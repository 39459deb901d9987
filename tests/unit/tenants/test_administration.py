"""A change, its audit record and its event: all of them or none."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.administration.actor import Actor
from cluster.administration.plans import PlanService
from cluster.administration.tenants import TenantService
from cluster.administration.unit_of_work import UnitOfWork
from cluster.audit.record import AuditRecord
from cluster.events.kinds import EventKind
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Conflict, Forbidden, NotFound
from cluster.storage.database import Database, DatabaseUnavailable, default_url
from cluster.storage.migrate import migrate
from cluster.storage.tables import changes, events, plans
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan

OPERATOR = Actor(Caller("default", "k1", frozenset({Scope.ADMIN})), "req_1")
DEVELOPER = Actor(Caller("acme", "u1", frozenset({Scope.GENERATE}), kind="user"))


@dataclass
class Trail:
    """Keeps records in a list; refuses them while `broken`."""

    broken: bool = False
    appended: list[AuditRecord] = field(default_factory=list)

    def enqueue(self, record: AuditRecord) -> None:
        raise AssertionError("a change is appended, not noted")

    note_repeatable = enqueue

    async def append(self, connection: AsyncConnection, record: AuditRecord) -> None:
        if self.broken:
            raise OSError("the disk is full")
        self.appended.append(record)


@dataclass
class Refreshed:
    """Counts refreshes; cannot reach the store while `down`."""

    times: int = 0
    down: bool = False

    async def refresh(self) -> None:
        self.times += 1
        if self.down:
            raise DatabaseUnavailable

    def secret_of(self, tenant: str) -> bytes:
        return tenant.encode().ljust(32, b"s")

    def jwks(self) -> Mapping[str, Any]:
        return {"keys": []}


@dataclass
class Office:
    database: Database
    trail: Trail
    directory: Refreshed
    desk: UnitOfWork
    told: list[str]

    async def rows(self, table: Any) -> list[Any]:
        async with self.database.read() as connection:
            return list(await connection.execute(select(table)))


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    migrate(default_url(tmp_path))
    database, trail, directory = Database(default_url(tmp_path)), Trail(), Refreshed()
    told: list[str] = []
    desk = UnitOfWork(
        database, trail, directory, ManualClock(), lambda tenant, kind, data: told.append(kind)
    )
    yield Office(database, trail, directory, desk, told)
    await database.close()


async def test_a_change_is_kept_with_its_record_and_its_event(office: Office) -> None:
    await PlanService(office.desk).put(OPERATOR, Plan(id="team"))

    [record] = office.trail.appended
    assert (record.action, record.resource) == ("plan.put", "plan:team")
    assert (record.actor, record.request_id) == ("key:k1", "req_1")
    assert [row.id for row in await office.rows(plans)] == ["team"]
    assert [row.kind for row in await office.rows(events)] == ["plan.created"]
    assert [row.kind for row in await office.rows(changes)] == ["plan"]
    assert office.told == [EventKind.PLAN_CREATED]
    assert office.directory.times == 1


async def test_without_its_audit_record_no_change_is_kept(office: Office) -> None:
    office.trail.broken = True

    with pytest.raises(DatabaseUnavailable):
        await PlanService(office.desk).put(OPERATOR, Plan(id="team"))

    for table in (plans, events, changes):
        assert await office.rows(table) == []
    assert office.told == []
    assert office.directory.times == 0


async def test_a_refused_change_tells_nobody(office: Office) -> None:
    administration = PlanService(office.desk)
    await administration.put(OPERATOR, Plan(id="team"))
    await TenantService(office.desk).create(OPERATOR, "acme", "Acme", "team")
    office.trail.appended.clear()
    office.told.clear()

    with pytest.raises(Conflict):
        await administration.delete(OPERATOR, "team")
    with pytest.raises(NotFound):
        await administration.delete(OPERATOR, "none")

    assert office.trail.appended == []
    assert office.told == []


async def test_a_change_holds_although_the_directory_cannot_be_refreshed(office: Office) -> None:
    office.directory.down = True
    await PlanService(office.desk).put(OPERATOR, Plan(id="team"))

    assert [row.id for row in await office.rows(plans)] == ["team"]


async def test_an_audit_record_names_fields_and_never_values(office: Office) -> None:
    await PlanService(office.desk).put(OPERATOR, Plan(id="team"))
    tenants = TenantService(office.desk)
    await tenants.create(OPERATOR, "acme", "Acme", "team")
    await tenants.update(OPERATOR, "acme", name="A very private name")

    assert office.trail.appended[-1].detail == {"changed": "name"}
    assert "private" not in repr(await office.rows(events))


def test_an_actor_covers_what_it_has_and_nothing_else() -> None:
    DEVELOPER.check_grant([Scope.GENERATE], "The new key")
    OPERATOR.check_grant(list(Scope), "The new key")

    with pytest.raises(Forbidden, match="users:write"):
        DEVELOPER.check_grant([Scope.GENERATE, Scope.USERS_WRITE], "The new key")
    assert (DEVELOPER.name, OPERATOR.name) == ("user:u1", "key:k1")
    assert (DEVELOPER.is_operator, OPERATOR.is_operator) == (False, True)
