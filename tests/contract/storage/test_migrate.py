"""Migrations build the tables of the code, once, whoever else is at it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, String, delete, insert, select, text
from sqlalchemy.exc import IntegrityError

from cluster.runtime.settings import ROOT
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.migrate import MIGRATIONS, SchemaTooNew, migrate
from cluster.storage.search_index import TABLE, restore_search_index
from cluster.storage.tables import library_posts, metadata
from cluster.storage.tables.identity import plans
from tests.contract.storage.conftest import sqlite_with_plans

USER = "'ana@a.example', 'h', 'owner', 'active', 0, 0, 0)"


SEARCH_INDEXES = {"sqlite": "ix_library_posts_terms", "postgresql": ""}  # that are not there


def _differences(connection: Connection) -> list[object]:
    missing = SEARCH_INDEXES[connection.dialect.name]

    def is_compared(_: object, name: str | None, *__: object) -> bool:
        """The tables of FTS5 are its own, as is the index of PostgreSQL that takes their place."""
        return name != missing and not str(name).startswith(TABLE)

    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_object": is_compared,
    }
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


async def test_a_migrated_store_has_exactly_the_tables_of_the_code(empty_url: str) -> None:
    migrate(empty_url)

    database = Database(empty_url)
    async with database.begin() as connection:
        assert await connection.run_sync(_differences) == []
    await database.close()


async def test_the_comparison_would_see_a_missing_column(empty_url: str) -> None:
    migrate(empty_url)

    database = Database(empty_url)
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE plans DROP COLUMN version"))
        assert await connection.run_sync(_differences) != []
    await database.close()


async def test_migrating_again_keeps_what_is_there(url: str) -> None:
    migrate(url)

    database = Database(url)
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM tenants"))).scalar() == 2
    await database.close()


POST = {
    "tenant": "acme", "id": "p", "status": "draft", "platform": "x", "language": "", "title": "",
    "body": "", "tags": [], "version": 1, "versions": 1, "revision": 1, "created_by": "",
    "author": "", "schedule": 0, "created": 0.0, "updated": 0.0,
}  # fmt: skip


def _rebuild(connection: Connection) -> None:
    """As a migration does that changes a table of SQLite: a new table, which gets the rows."""
    operations = Operations(MigrationContext.configure(connection))
    with operations.batch_alter_table("library_posts", recreate="always") as batch:
        batch.alter_column("title", existing_type=String(300), type_=String(400))


async def test_the_full_text_index_of_sqlite_survives_a_rebuilt_table(tmp_path: Path) -> None:
    file = shutil.copy(sqlite_with_plans(), tmp_path / "mobula.db")
    database = Database(f"sqlite+aiosqlite:///{file}")

    async def found(word: str) -> list[str]:
        query = f"SELECT id FROM {TABLE} JOIN library_posts ON number = {TABLE}.rowid"
        matching = text(f"{query} WHERE {TABLE} MATCH '{word}' ORDER BY id")
        async with database.read() as connection:
            return list((await connection.execute(matching)).scalars())

    async with database.begin() as connection:
        await connection.execute(insert(library_posts).values(**POST, terms="before"))
        await connection.run_sync(_rebuild)
        post = {**POST, "id": "q", "terms": "between"}
        await connection.execute(insert(library_posts).values(**post))
        assert await connection.run_sync(restore_search_index)
        assert not await connection.run_sync(restore_search_index)
        post = {**POST, "id": "r", "terms": "between after"}
        await connection.execute(insert(library_posts).values(**post))
        gone = delete(library_posts).where(library_posts.c.id == "p")
        await connection.execute(gone)

    assert await found("before") == []
    assert await found("between") == ["q", "r"]
    assert await found("after") == ["r"]
    await database.close()


def _at(revision: str, connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    command.upgrade(config, revision)


async def test_cache_hits_take_the_place_of_kept_requests_in_usage_and_prices(
    empty_url: str,
) -> None:
    database = Database(empty_url)
    old_plan = '{"id": "p", "prices": {"kept_requests": 3, "tokens": 5}}'
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: _at("0006", sync))
        for statement in (
            f"INSERT INTO plans VALUES ('p', '{old_plan}', 1, 0, 0)".replace(":", "\\:"),
            "INSERT INTO usage VALUES ('a', 'k', 'm', '2026-11-30', 'kept_requests', 7, 0, 0)",
            "INSERT INTO usage VALUES ('a', 'k', 'm', '2026-11-30', 'tokens', 9, 0, 0)",
        ):
            await connection.execute(text(statement))
    migrate(empty_url)

    async with database.read() as connection:
        units = await connection.execute(text("SELECT unit, amount FROM usage ORDER BY unit"))
        assert units.all() == [("cache_hits", 7), ("tokens", 9)]
        document = (await connection.execute(select(plans.c.document))).scalar_one()
        assert document["prices"] == {"cache_hits": 3, "tokens": 5}
    await database.close()


async def test_earlier_usage_counts_for_the_local_provider(empty_url: str) -> None:
    database = Database(empty_url)
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: _at("0008", sync))
        for key, amount in (("k", 7), ("l", 5)):
            values = f"'a', '{key}', 'm', '2026-11-30', 'tokens', {amount}, 2, 3"
            await connection.execute(text(f"INSERT INTO usage VALUES ({values})"))
    migrate(empty_url)

    async with database.read() as connection:
        rows = await connection.execute(text("SELECT * FROM usage_dimensions"))
        [row] = rows.mappings()
        assert (row["dimension"], row["value"], row["model"]) == ("provider", "local", "m")
        assert (row["amount"], row["cost"], row["revenue"]) == (12, 4, 6)
    await database.close()


async def test_making_emails_unique_per_tenant_keeps_users_and_their_refresh_tokens(
    empty_url: str,
) -> None:
    database = Database(empty_url)
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: _at("0005", sync))
        for statement in (
            "INSERT INTO plans VALUES ('p', '{}', 1, 0, 0)",
            "INSERT INTO tenants VALUES ('a', 'A', 'p', 'active', 'x', 0, 0)",
            "INSERT INTO tenants VALUES ('b', 'B', 'p', 'active', 'x', 0, 0)",
            f"INSERT INTO users VALUES ('u', 'a', {USER}",
            "INSERT INTO refresh_tokens VALUES ('t', 'f', 'a', 'u', 'd', 1, 2, NULL, NULL)",
        ):
            await connection.execute(text(statement))
    migrate(empty_url)

    async with database.begin() as connection:
        kept = await connection.execute(text("SELECT id, family, mac FROM refresh_tokens"))
        assert kept.all() == [("t", "f", None)]
        await connection.execute(text(f"INSERT INTO users VALUES ('v', 'b', {USER[:-1]}, NULL)"))
    with pytest.raises(IntegrityError):
        async with database.begin() as connection:
            await connection.execute(
                text(f"INSERT INTO users VALUES ('w', 'b', {USER[:-1]}, NULL)")
            )
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM users WHERE id = 'u'"))
        assert (await connection.execute(text("SELECT * FROM refresh_tokens"))).all() == []
    await database.close()


@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.exhaustive)])
def test_processes_that_migrate_at_once_all_succeed(empty_url: str, processes: int) -> None:
    code = f"from cluster.storage.migrate import migrate; migrate({empty_url!r})"
    started = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]

    ends = [(process.communicate()[1], process.returncode) for process in started]

    assert ends == [("", 0)] * processes


async def test_a_store_of_newer_code_is_refused_by_name(url: str) -> None:
    database = Database(url)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()

    with pytest.raises(SchemaTooNew, match="'9999'.*newer"):
        migrate(url)


def test_a_store_that_is_not_there_is_down() -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate("postgresql+asyncpg://mobula@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable):
        migrate("sqlite+aiosqlite:////nowhere/at/all/mobula.db")
