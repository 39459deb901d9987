"""Rows from before there were MACs are signed once, and never by whoever can write the store."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from cluster.audit.keys import AuditKeys
from cluster.audit.verify import verify
from cluster.auth.adoption import SIGNED, NotAdopted
from cluster.auth.bootstrap import ROWS_SIGNED, bootstrap
from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.keys import ApiKeyIssuer
from cluster.auth.row_macs import COVERED, NOT_COVERED, TABLES, RowMacs
from cluster.auth.row_report import check_rows
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Unauthenticated
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import AUDIT, load_pepper, store_url
from cluster.storage.database import Database
from cluster.tenants.caller import Scope

CLOCK = SystemClock()


@pytest.fixture
def settings(migrated_url: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", database_url=SecretStr(migrated_url))


@pytest.fixture
async def key(settings: Settings) -> str:
    """A key of a store as the version before MACs left it, in the home that it left."""
    bootstrap(settings.home, settings)
    key = await made(settings)
    await strip(settings)
    (settings.home / AUDIT / SIGNED).unlink()
    return key


async def made(settings: Settings) -> str:
    database = Database(store_url(settings.home, settings))
    pepper = load_pepper(settings.home, settings)
    async with database.begin() as connection:
        key, _ = await ApiKeyIssuer(pepper, CLOCK).create(
            connection, "default", name="x", scopes=[Scope.GENERATE], created_by="system"
        )
    await database.close()
    return key


async def execute(settings: Settings, statement: str) -> list[Any]:
    database = Database(store_url(settings.home, settings))
    async with database.begin() as connection:
        result = await connection.execute(text(statement))
        rows = list(result.all()) if result.returns_rows else []
    await database.close()
    return rows


async def strip(settings: Settings) -> None:
    for table in TABLES:
        await execute(settings, f"UPDATE {table.name} SET mac = NULL")


async def opens(settings: Settings, key: str) -> bool:
    database = Database(store_url(settings.home, settings))
    directory = CredentialDirectory(database, load_pepper(settings.home, settings), CLOCK)
    await directory.refresh()
    await database.close()
    try:
        directory.verify(key)
    except Unauthenticated:
        return False
    return True


async def findings(settings: Settings) -> list[str]:
    database = Database(store_url(settings.home, settings))
    pepper = load_pepper(settings.home, settings)
    async with database.read() as connection:
        files = [settings.home / AUDIT / "checkpoints.jsonl"]
        report = await verify(connection, AuditKeys.derive(pepper), files)
        await check_rows(connection, RowMacs(pepper), report)
    await database.close()
    return [str(finding) for finding in report.findings]


async def test_the_first_start_in_an_older_home_signs_what_is_there_and_says_so(
    settings: Settings, key: str
) -> None:
    assert not await opens(settings, key)

    bootstrap(settings.home, settings)

    assert await opens(settings, key)
    told = await execute(settings, "SELECT action, detail FROM audit_records")
    [detail] = [row.detail for row in told if row.action == ROWS_SIGNED]
    assert '"api_keys": 2' in str(detail).replace("'", '"')
    assert await findings(settings) == []


async def test_it_is_done_once_however_the_store_looks_afterwards(
    settings: Settings, key: str
) -> None:
    bootstrap(settings.home, settings)
    await strip(settings)
    await execute(settings, "DELETE FROM audit_records")
    await execute(settings, "DELETE FROM audit_heads")

    bootstrap(settings.home, settings)

    assert not await opens(settings, key)
    assert any("has no MAC" in finding for finding in await findings(settings))


async def test_one_genuine_row_closes_the_door_where_the_home_forgot(
    settings: Settings, key: str
) -> None:
    bootstrap(settings.home, settings)
    (settings.home / AUDIT / SIGNED).unlink()
    await execute(settings, "UPDATE api_keys SET mac = NULL, scopes = '[\"admin\"]'")

    bootstrap(settings.home, settings)

    assert not await opens(settings, key)


async def test_a_new_home_on_a_store_without_one_genuine_row_is_refused_until_told(
    settings: Settings, key: str, tmp_path: Path
) -> None:
    pepper = SecretStr("p" * 32)
    url = SecretStr(store_url(settings.home, settings))
    new = settings.model_copy(
        update={"home": tmp_path / "new", "database_url": url, "pepper": pepper}
    )
    with pytest.raises(NotAdopted, match="--adopt-rows"):
        bootstrap(new.home, new)
    assert not (new.home / AUDIT / SIGNED).exists()

    bootstrap(new.home, new, adopt_rows=True)

    assert await findings(new) == []
    bootstrap(new.home, new)


async def test_a_new_home_on_a_store_that_is_signed_starts(
    settings: Settings, tmp_path: Path
) -> None:
    pepper = SecretStr("p" * 32)
    first = settings.model_copy(update={"pepper": pepper})
    bootstrap(first.home, first)
    key = await made(first)
    url = SecretStr(store_url(settings.home, settings))
    second = first.model_copy(update={"home": tmp_path / "new", "database_url": url})

    bootstrap(second.home, second)

    assert await opens(second, key)


async def test_under_another_pepper_nothing_counts_until_the_operator_signs_it(
    settings: Settings,
) -> None:
    bootstrap(settings.home, settings)
    await made(settings)
    other = settings.model_copy(update={"pepper": SecretStr("q" * 32)})

    bootstrap(other.home, other)
    assert len([f for f in await findings(other) if f.startswith("api_keys")]) == 1

    bootstrap(other.home, other, adopt_rows=True)
    assert not [f for f in await findings(other) if f.startswith("api_keys")]


async def test_the_report_names_every_row_that_is_not_ours(settings: Settings) -> None:
    bootstrap(settings.home, settings)
    key = await made(settings)
    id = key.split("_")[1]
    await execute(settings, f"UPDATE api_keys SET scopes = '[\"admin\"]' WHERE id = '{id}'")
    await execute(
        settings,
        "INSERT INTO users (id, tenant, email, password, role, status, valid_after, created,"
        " updated) VALUES ('eve', 'default', 'e@e.ee', 'x', 'owner', 'active', 0, 0, 0)",
    )
    found = await findings(settings)

    assert len(found) == 2
    assert found[0].startswith(f"api_keys {id}: does not match its MAC")
    assert found[1].startswith("users eve: has no MAC")


def test_every_column_is_covered_or_listed_as_not() -> None:
    for table in TABLES:
        assert {column.name for column in table.columns} - NOT_COVERED == set(COVERED[table.name])
