"""Bringing the store to the tables of this code: `migrate(url)` before anything else uses it.

Flows in: a SQLAlchemy URL. Flows out: a store whose tables are those of cluster/storage/tables.
All of it is one transaction under a lock of the store, so of several processes that start at once
one does the work and the others find it done.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, make_url

from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.locks import Lock, advisory_lock
from cluster.storage.run_sync import run_sync

MIGRATIONS = Path(__file__).with_name("migrations")


class SchemaTooNew(RuntimeError):
    """The store was migrated by newer code, whose tables this code does not know."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"The store is at revision '{revision[:64]}', which this version of Mobula does not "
            "know. Install the version that made it, or a newer one."
        )


def migrate(url: str) -> None:
    """Create or upgrade every table. Raises StoreIsNewer, or StoreDown when it is unreachable.

    It runs on a loop of its own, so it may be called with or without one running.
    """
    if _has_no_folder(make_url(url)):
        raise DatabaseUnavailable
    run_sync(_migrate(url))


def _has_no_folder(url: URL) -> bool:
    """SQLite makes its file but not the folder, and its driver's thread outlives the failure."""
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
