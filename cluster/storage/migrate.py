"""Migrates the database to this version's tables: `migrate(url)` before any other use.

In: a SQLAlchemy URL. Out: a database with the tables of cluster/storage/tables. It is one
transaction under a database lock, so concurrent processes migrate once.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, make_url

from cluster.storage.database import Database, DatabaseUnavailable, run_sync
from cluster.storage.locks import Lock, advisory_lock
from cluster.storage.search_index import restore_search_index

MIGRATIONS = Path(__file__).with_name("migrations")


class SchemaTooNew(RuntimeError):
    """The database was migrated by a newer version."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"The database is at revision '{revision[:64]}', which this version of Mobula does not "
            "know. Install the version that migrated it, or a newer one."
        )


def migrate(url: str) -> None:
    """Creates or upgrades all tables. Raises SchemaTooNew or DatabaseUnavailable.

    It runs on its own event loop, so it may be called inside or outside of a running one.
    """
    if _is_folder_missing(make_url(url)):
        raise DatabaseUnavailable
    run_sync(_migrate(url))


def _is_folder_missing(url: URL) -> bool:
    """Whether SQLite's folder is missing; the driver's thread would outlive the failure."""
    file = url.database if url.get_backend_name() == "sqlite" else None
    return bool(file) and not Path(str(file)).parent.is_dir()


async def _migrate(url: str) -> None:
    database = Database(url)
    try:
        async with database.begin() as connection:
            await advisory_lock(connection, Lock.MIGRATIONS)
            await connection.run_sync(_upgrade)
    finally:
        await database.close()


def _upgrade(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    for revision in MigrationContext.configure(connection).get_current_heads():
        if revision not in known:
            raise SchemaTooNew(revision)
    command.upgrade(config, "head")
    restore_search_index(connection)
