"""The list of changes that directories poll: nothing in it is missed, whatever order it came in."""

import asyncio

import pytest
from sqlalchemy import delete, text

from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.keys import ApiKeyIssuer
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import NotFound, Problem, Unauthenticated
from cluster.storage.database import Database
from cluster.storage.tables import changes
from cluster.tenants.repository import TenantRepository, record_change
from tests.contract.storage.conftest import PEPPER, add_key, until


@pytest.mark.parametrize("loss", ["pruned", "reset", "many"])
async def test_a_directory_that_missed_changes_loads_everything(
    database: Database, directory: CredentialDirectory, clock: ManualClock, loss: str
) -> None:
    key, id = await add_key(database, clock)
    await directory.refresh()
    async with database.begin() as connection:
        await ApiKeyIssuer(PEPPER, clock).revoke(connection, "acme", id)
        if loss == "many":
            for _ in range(501):
                await record_change(connection, clock, "plan", "pro")
        else:
            await connection.execute(delete(changes))
        if loss == "pruned":
            await connection.execute(
                text("INSERT INTO changes (seq, at, kind, id) VALUES (999999, 0, 'plan', 'pro')")
            )
    await directory.refresh()

    with pytest.raises(Unauthenticated):
        directory.verify(key)


async def test_numbers_that_were_never_committed_lose_nothing(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    for _ in range(3):
        async with database.engine.connect() as connection:
            await record_change(connection, clock, "plan", "pro")
            await connection.rollback()
    key, _ = await add_key(database, clock)
    await directory.refresh()

    assert directory.verify(key).tenant == "acme"


async def test_a_change_that_commits_late_is_not_overtaken(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    """A reader that saw the later number first would never look for the earlier one."""

    async def write(tenant: str) -> None:
        async with database.begin() as connection:
            await TenantRepository(clock).create(connection, tenant, "T", "free")

    async with database.engine.connect() as early:
        await TenantRepository(clock).create(early, "early", "T", "free")
        late = asyncio.create_task(write("late"))
        await asyncio.wait({late}, timeout=0.3)
        await directory.refresh()
        await early.commit()
    await late
    await directory.refresh()

    assert _knows(directory, "early")
    assert _knows(directory, "late")


async def test_a_directory_that_never_loaded_loads_everything(
    database: Database, clock: ManualClock
) -> None:
    key, _ = await add_key(database, clock)
    async with database.begin() as connection:
        await connection.execute(delete(changes))
        await connection.execute(
            text("INSERT INTO changes (seq, at, kind, id) VALUES (1, 0, 'plan', 'pro')")
        )
    directory = CredentialDirectory(database, PEPPER, clock)
    with pytest.raises(Unauthenticated):
        directory.verify(key)

    await directory.refresh()

    assert directory.verify(key).tenant == "acme"


async def test_the_first_change_of_a_store_is_seen(database: Database, clock: ManualClock) -> None:
    async with database.begin() as connection:
        await connection.execute(delete(changes))
    directory = CredentialDirectory(database, PEPPER, clock)
    await directory.refresh()
    await directory.refresh()
    async with database.begin() as connection:
        await TenantRepository(clock).create(connection, "new", "New", "free")
    await directory.refresh()

    assert _knows(directory, "new")


def _knows(directory: CredentialDirectory, tenant: str) -> bool:
    try:
        return directory.tenant(tenant).id == tenant
    except NotFound:
        return False


async def test_two_running_directories_refuse_a_revoked_key_within_a_second(
    database: Database, clock: ManualClock
) -> None:
    key, id = await add_key(database, clock)
    pair = [CredentialDirectory(database, PEPPER, clock) for _ in range(2)]
    for directory in pair:
        await directory.start()
        directory.verify(key)
    async with database.begin() as connection:
        await ApiKeyIssuer(PEPPER, clock).revoke(connection, "acme", id)

    await until(lambda: not any(_accepts(directory, key) for directory in pair), within_s=1.0)

    for directory in pair:
        await directory.close()


def _accepts(directory: CredentialDirectory, key: str) -> bool:
    try:
        directory.verify(key)
    except Problem:
        return False
    return True
