"""Invalidating, as the administration does it: with its audit record or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.administration.actor import Actor
from cluster.administration.cache import CacheService
from cluster.administration.unit_of_work import UnitOfWork
from cluster.audit.record import AuditRecord
from cluster.invalidation.feed import InvalidationFeed
from cluster.invalidation.target import ALL, EVERYBODY, TENANT, Target
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Forbidden, InvalidRequest, NotFound
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.tables import plans, tenants
from cluster.tenants.caller import Caller, Scope
from tests.contract.invalidation.invalidating import good, rows

OPERATOR = Actor(Caller("default", "k1", frozenset({Scope.ADMIN})), "req_1")
DEVELOPER = Actor(Caller("acme", "u1", frozenset({Scope.CACHE_WRITE}), kind="user"), "req_2")
POST = Target("tag", "post:17")


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

    async def prune(self, before: float, by: AuditRecord | None = None) -> int:
        raise AssertionError("nothing is pruned here")


class Directory:
    async def refresh(self) -> None:
        pass

    def secret_of(self, tenant: str) -> bytes:
        return tenant.encode().ljust(32, b"s")

    def jwks(self) -> Mapping[str, Any]:
        return {"keys": []}


class Away:
    """A feed that does not reach the store."""

    async def refresh(self) -> None:
        raise DatabaseUnavailable


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture
async def desk(database: Database, clock: ManualClock, trail: Trail) -> UnitOfWork:
    at = {"created": 0.0, "updated": 0.0}
    acme = {"id": "acme", "name": "A", "plan": "p", "status": "active", "secret": b"s"}
    async with database.begin() as connection:
        await connection.execute(insert(plans).values(id="p", document={}, version=1, **at))
        await connection.execute(insert(tenants).values(**acme, **at))
    return UnitOfWork(database, trail, Directory(), clock, lambda *_: None)


async def test_who_invalidates_reads_the_own_write(
    desk: UnitOfWork, trail: Trail, feed: InvalidationFeed
) -> None:
    made = await CacheService(desk, feed).invalidate(DEVELOPER, "acme", POST)

    assert feed.generations.latest == made.seq
    assert not good(feed, "post:17", made.seq - 1)
    [record] = trail.appended
    assert (record.tenant, record.actor) == ("acme", "user:u1")
    assert (record.action, record.resource) == ("cache.invalidate", "cache:tag:post:17")
    assert record.detail == {"seq": made.seq, "became": "tag", "all_tenants": False}


async def test_without_its_audit_record_nothing_is_invalidated(
    desk: UnitOfWork, trail: Trail, feed: InvalidationFeed, database: Database
) -> None:
    trail.broken = True

    with pytest.raises(DatabaseUnavailable):
        await CacheService(desk, feed).invalidate(DEVELOPER, "acme", POST)

    assert await rows(database) == 0
    assert feed.generations.latest == 0


async def test_it_holds_although_this_replica_cannot_look(
    desk: UnitOfWork, database: Database
) -> None:
    await CacheService(desk, Away()).invalidate(DEVELOPER, "acme", POST)

    assert await rows(database) == 1


async def test_every_tenants_answers_are_the_operators(
    desk: UnitOfWork, trail: Trail, feed: InvalidationFeed, database: Database
) -> None:
    cache = CacheService(desk, feed)
    for what in (ALL, Target("model", "nano")):
        with pytest.raises(Forbidden) as refused:
            await cache.invalidate(DEVELOPER, None, what)
        assert refused.value.extensions["required_scope"] == "admin"
    assert await rows(database) == 0

    made = await cache.invalidate(OPERATOR, None, ALL)

    assert (made.tenant, made.kind) == (EVERYBODY, "all")
    assert trail.appended[-1].tenant == "default"
    assert trail.appended[-1].detail["all_tenants"] is True


@pytest.mark.parametrize(
    ("tenant", "what", "problem"),
    [
        ("acme", ALL, InvalidRequest),
        ("acme", Target("tag", "a b"), InvalidRequest),
        (None, Target("tag", "a"), InvalidRequest),
        (None, TENANT, InvalidRequest),
        ("nobody", TENANT, NotFound),
    ],
)
async def test_what_cannot_be_invalidated_is_refused(
    desk: UnitOfWork,
    trail: Trail,
    database: Database,
    tenant: str | None,
    what: Target,
    problem: type[Exception],
) -> None:
    with pytest.raises(problem):
        await CacheService(desk).invalidate(OPERATOR, tenant, what)

    assert trail.appended == []
    assert await rows(database) == 0
