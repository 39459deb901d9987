"""Plans, tenants, keys and users in both stores: what is found, refused, paged and told."""

import contextlib

import pytest
from sqlalchemy import select

from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.keys import ApiKeyIssuer
from cluster.auth.models import User
from cluster.auth.user_repository import UserRepository
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Conflict, InvalidRequest, NotFound
from cluster.storage.database import Database
from cluster.storage.tables import changes
from cluster.tenants.caller import Role, Scope
from cluster.tenants.plan import Plan
from cluster.tenants.repository import (
    CHANGE_RETENTION_S,
    PlanRepository,
    TenantRepository,
    record_change,
)
from tests.contract.storage.conftest import MACS, PEPPER, add_key, add_user

HOSTILE = [
    pytest.param("", id="empty"),
    pytest.param("' OR '1'='1", id="sql"),
    pytest.param("acme\x00", id="nul"),
    pytest.param("acme\r\nX-Admin: 1", id="header"),
    pytest.param("\ud800", id="surrogate"),
    pytest.param("a" * 10_000, id="long"),
    pytest.param("Ä", id="not ascii"),
]


async def _changed(database: Database) -> list[tuple[str, str]]:
    async with database.read() as connection:
        rows = await connection.execute(
            select(changes.c.kind, changes.c.id).order_by(changes.c.seq)
        )
        return [(row.kind, row.id) for row in rows]


async def test_a_plan_survives_the_store(database: Database, clock: ManualClock) -> None:
    plan = Plan.model_validate(
        {"id": "full", "rates": {"generate": {"tokens": {"limit": 600}}}, "models": ["nano"]}
    )
    async with database.begin() as connection:
        await PlanRepository(clock).create(connection, plan)

    async with database.read() as connection:
        stored = await PlanRepository(clock).get(connection, "full")

    assert (stored.plan, stored.version) == (plan, 1)


async def test_a_plan_is_replaced_only_from_the_version_that_was_read(
    database: Database, clock: ManualClock
) -> None:
    plans = PlanRepository(clock)
    async with database.begin() as connection:
        assert (await plans.replace(connection, Plan(id="free", weight=2), 1)).version == 2

    with pytest.raises(Conflict, match="version 2, not 1"):
        async with database.begin() as connection:
            await plans.replace(connection, Plan(id="free", weight=9), 1)

    async with database.read() as connection:
        assert (await plans.get(connection, "free")).plan.weight == 2


async def test_a_plan_in_use_is_not_deleted(database: Database, clock: ManualClock) -> None:
    with pytest.raises(Conflict, match="Tenants are on plan 'free'"):
        async with database.begin() as connection:
            await PlanRepository(clock).delete(connection, "free")
    async with database.begin() as connection:
        await PlanRepository(clock).delete(connection, "pro")


async def test_ids_are_given_once(database: Database, clock: ManualClock, ana: User) -> None:
    with pytest.raises(Conflict, match="plan 'free'"):
        async with database.begin() as connection:
            await PlanRepository(clock).create(connection, Plan(id="free"))
    with pytest.raises(Conflict, match="tenant 'acme'"):
        async with database.begin() as connection:
            await TenantRepository(clock).create(connection, "acme", "Acme", "free")
    with pytest.raises(Conflict, match="email"):
        await add_user(database, clock, "other", ana.email, Role.OWNER)


async def test_a_tenant_needs_a_plan_that_exists(database: Database, clock: ManualClock) -> None:
    with pytest.raises(NotFound, match="plan 'gold'"):
        async with database.begin() as connection:
            await TenantRepository(clock).create(connection, "new", "New", "gold")
    with pytest.raises(NotFound, match="plan 'gold'"):
        async with database.begin() as connection:
            await TenantRepository(clock).update(connection, "acme", plan="gold")


async def test_tenants_have_secrets_of_their_own(database: Database, clock: ManualClock) -> None:
    async with database.read() as connection:
        found = [await TenantRepository(clock).get(connection, name) for name in ("acme", "other")]

    assert len({tenant.secret for tenant in found}) == 2
    assert all(len(tenant.secret) == 32 for tenant in found)
    assert "secret" not in repr(found)


async def test_a_listing_comes_in_pages(database: Database, clock: ManualClock) -> None:
    ids = sorted([(await add_key(database, clock))[1] for _ in range(5)])
    await add_key(database, clock, "other")
    keys, seen, after = ApiKeyRepository(clock, MACS), [], None
    async with database.read() as connection:
        while True:
            page = await keys.list(connection, "acme", 2, after)
            seen += [record.id for record in page.items]
            after = page.next
            if after is None:
                break

    assert sorted(seen) == ids
    assert len(seen) == 5


@pytest.mark.parametrize("limit", [0, -1, 201])
async def test_a_page_has_bounds(database: Database, clock: ManualClock, limit: int) -> None:
    async with database.read() as connection:
        with pytest.raises(InvalidRequest, match="1 to 200") as refused:
            await TenantRepository(clock).list(connection, limit)
    assert refused.value.param == "limit"


@pytest.mark.parametrize("id", HOSTILE)
async def test_hostile_ids_are_not_found(
    database: Database, clock: ManualClock, ana: User, id: str
) -> None:
    async with database.read() as connection:
        with pytest.raises(NotFound):
            await PlanRepository(clock).get(connection, id)
        with pytest.raises(NotFound):
            await TenantRepository(clock).get(connection, id)
        with pytest.raises(NotFound):
            await ApiKeyRepository(clock, MACS).get(connection, "acme", id)
        with pytest.raises(NotFound):
            await UserRepository(clock, MACS).get(connection, id, ana.id)
        with pytest.raises(InvalidRequest):
            await UserRepository(clock, MACS).list(connection, "acme", after=id)


async def test_another_tenants_rows_are_not_found(
    database: Database, clock: ManualClock, ana: User
) -> None:
    _, key = await add_key(database, clock)
    async with database.begin() as connection:
        for attempt in (
            ApiKeyRepository(clock, MACS).get(connection, "other", key),
            ApiKeyRepository(clock, MACS).update(connection, "other", key, name="mine"),
            ApiKeyIssuer(PEPPER, clock).revoke(connection, "other", key),
            ApiKeyIssuer(PEPPER, clock).rotate(connection, "other", key, grace_s=0, created_by="x"),
            UserRepository(clock, MACS).get(connection, "other", ana.id),
            UserRepository(clock, MACS).update(connection, "other", ana.id, role=Role.OWNER),
            UserRepository(clock, MACS).delete(connection, "other", ana.id),
        ):
            with pytest.raises(NotFound):
                await attempt
        await ApiKeyRepository(clock, MACS).touch(connection, "other", {key: 9e9})
        assert (await ApiKeyRepository(clock, MACS).list(connection, "other")).items == ()
        found = await ApiKeyRepository(clock, MACS).get(connection, "acme", key)
    assert (found.name, found.revoked, found.last_used) == ("back end", None, None)


async def test_every_change_is_told_with_the_row(
    database: Database, clock: ManualClock, ana: User
) -> None:
    before = len(await _changed(database))
    _, key = await add_key(database, clock)
    async with database.begin() as connection:
        await ApiKeyRepository(clock, MACS).update(
            connection, "acme", key, scopes=[Scope.MODELS_READ]
        )
        await UserRepository(clock, MACS).update(connection, "acme", ana.id, role=Role.OWNER)
        await TenantRepository(clock).update(connection, "acme", status="suspended")
        await PlanRepository(clock).replace(connection, Plan(id="pro"))
        await UserRepository(clock, MACS).delete(connection, "acme", ana.id)

    told = (await _changed(database))[before:]

    kinds = [("key", key), ("key", key), ("user", "ana"), ("tenant", "acme"), ("plan", "pro")]
    assert told == [*kinds, ("user", "ana")]


async def test_a_change_that_is_not_kept_is_not_told(
    database: Database, clock: ManualClock
) -> None:
    before = await _changed(database)
    with contextlib.suppress(ZeroDivisionError):
        async with database.begin() as connection:
            await TenantRepository(clock).update(connection, "acme", name="New")
            raise ZeroDivisionError

    assert await _changed(database) == before


async def test_old_changes_are_pruned_and_numbers_never_used_again(
    database: Database, clock: ManualClock
) -> None:
    clock.advance(CHANGE_RETENTION_S + 1)
    async with database.begin() as connection:
        await record_change(connection, clock, "plan", "pro")
    async with database.read() as connection:
        rows = (await connection.execute(select(changes.c.seq, changes.c.id))).all()

    assert [(row.id, row.seq > 4) for row in rows] == [("pro", True)]


async def test_last_use_only_moves_forward(database: Database, clock: ManualClock) -> None:
    _, key = await add_key(database, clock)
    keys = ApiKeyRepository(clock, MACS)
    async with database.begin() as connection:
        for at in (5.0, 9.0, 7.0):
            await keys.touch(connection, "acme", {key: at})
        assert (await keys.get(connection, "acme", key)).last_used == 9.0


async def test_a_rotated_key_has_one_successor_and_a_last_moment(
    database: Database, clock: ManualClock
) -> None:
    _, old = await add_key(database, clock, expires=clock.wall() + 1000)
    rules = ApiKeyIssuer(PEPPER, clock)
    async with database.begin() as connection:
        _, new = await rules.rotate(connection, "acme", old, grace_s=60, created_by="key:x")
        with pytest.raises(Conflict, match="was rotated"):
            await rules.rotate(connection, "acme", old, grace_s=60, created_by="key:x")
        record = await ApiKeyRepository(clock, MACS).get(connection, "acme", old)

    assert (record.replaced_by, record.expires) == (new.id, clock.wall() + 60)
    assert (new.name, new.scopes) == (record.name, record.scopes)
    assert new.expires == clock.wall() + 1000


async def test_a_revoked_key_stays_revoked(database: Database, clock: ManualClock) -> None:
    _, key = await add_key(database, clock)
    rules, first = ApiKeyIssuer(PEPPER, clock), clock.wall()
    async with database.begin() as connection:
        await rules.revoke(connection, "acme", key)
        clock.advance(10)
        assert (await rules.revoke(connection, "acme", key)).revoked == first
        with pytest.raises(Conflict, match="is revoked"):
            await rules.rotate(connection, "acme", key, grace_s=0, created_by="key:x")


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        pytest.param({"name": ""}, "name", id="no name"),
        pytest.param({"name": "x" * 201}, "name", id="long name"),
        pytest.param({"name": "a\r\nb"}, "name", id="line break"),
        pytest.param({"scopes": []}, "scopes", id="no scope"),
        pytest.param({"expires": 1.0}, "expires", id="past"),
    ],
)
async def test_a_bad_key_is_refused_with_the_field(
    database: Database, clock: ManualClock, changed: dict[str, object], param: str
) -> None:
    good = {"name": "ok", "scopes": [Scope.GENERATE], "created_by": "system", "expires": None}
    async with database.begin() as connection:
        with pytest.raises(InvalidRequest) as refused:
            await ApiKeyIssuer(PEPPER, clock).create(connection, "acme", **{**good, **changed})
    assert refused.value.param == param
