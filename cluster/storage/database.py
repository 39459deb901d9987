"""The relational database: SQLite in the home by default, PostgreSQL by URL.

In: a URL. Out: connections in transactions. `begin()` is a transaction that commits at its end or
rolls back; repositories take the connection and never commit. Knows no tables.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Dialect, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cluster.metrics.catalogue import storage
from cluster.metrics.series import Histogram, Reading
from cluster.runtime.problems import Overloaded
from cluster.storage.sqlite_driver import open_connection

BUSY_TIMEOUT_MS = 5_000
PRAGMAS = "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"
POOL = {"pool_size": 5, "max_overflow": 5, "pool_timeout": 5.0, "pool_pre_ping": True}
FILE = "mobula.db"


def default_url(home: Path) -> str:
    """SQLite in the home."""
    return f"sqlite+aiosqlite:///{home / FILE}"


class DatabaseUnavailable(Overloaded):
    """The database cannot be reached; nothing was written."""

    slug, title = "store-unavailable", "The store cannot be reached"

    def __init__(self) -> None:
        super().__init__("The store cannot be reached; nothing was changed.", retry_after_s=2.0)


class Database:
    """The connection pool of one process. Create it on the event loop that uses it."""

    def __init__(self, url: str) -> None:
        """`url` is SQLAlchemy's: sqlite+aiosqlite:///path or postgresql+asyncpg://..."""
        self.is_sqlite = url.startswith("sqlite")
        self._transactions = Histogram(storage.TRANSACTIONS)
        self._unavailable, self._is_up = 0, True
        open_file = partial(_open_sqlite, make_url(url))
        options: dict[str, Any] = (
            {"async_creator": partial(open_connection, open_file)} if self.is_sqlite else dict(POOL)
        )
        self.engine: AsyncEngine = create_async_engine(url, **options)
        self._version_reader: sqlite3.Connection | None = None
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "begin", _begin)

    @property
    def dialect(self) -> Dialect:
        return self.engine.dialect

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction. Raises DatabaseUnavailable if the database cannot be reached."""
        began = time.monotonic()
        try:
            async with self.engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, OSError, TimeoutError) as error:
            raise self._unreachable() from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise self._unreachable() from error
            raise
        self._record("write", began)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A read transaction, without locks if the database allows it."""
        began = time.monotonic()
        try:
            async with self.engine.connect() as connection:
                connection = await connection.execution_options(mobula_read=True)
                yield connection
        except (OperationalError, InterfaceError, OSError, TimeoutError) as error:
            raise self._unreachable() from error
        self._record("read", began)

    def data_version(self) -> int | None:
        """A number that differs from the one before if anybody has committed in between; None: the
        database has no such number (PostgreSQL), or cannot be read. SQLite looks into the shared
        memory of its write-ahead log (PRAGMA data_version), and waits for no lock.
        """
        file = self.engine.url.database
        if not self.is_sqlite or not file or file == ":memory:":
            return None
        try:
            if self._version_reader is None:
                self._version_reader = sqlite3.connect(
                    f"file:{quote(file)}?mode=ro", uri=True, timeout=0, check_same_thread=False
                )
            (version,) = self._version_reader.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return None
        return int(version)

    def read_metrics(self) -> Iterator[Reading]:
        """Transactions that ended well, those that the store could not be reached for, and whether
        the last one could."""
        yield from self._transactions.read()
        yield storage.UNAVAILABLE, [((), self._unavailable)]
        yield storage.UP, [((), int(self._is_up))]

    def _record(self, kind: str, began: float) -> None:
        self._transactions.observe((kind,), time.monotonic() - began)
        self._is_up = True

    def _unreachable(self) -> DatabaseUnavailable:
        self._unavailable += 1
        self._is_up = False
        return DatabaseUnavailable()

    async def close(self) -> None:
        if self._version_reader is not None:
            self._version_reader.close()
            self._version_reader = None
        await self.engine.dispose()


def _open_sqlite(url: URL) -> sqlite3.Connection:
    """WAL allows readers beside one writer; the driver must not start transactions itself."""
    (file,), options = url.get_dialect()().create_connect_args(url)
    timeout_s = BUSY_TIMEOUT_MS / 1000
    connection = sqlite3.connect(file, **{"timeout": timeout_s, **options, "isolation_level": None})
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _begin(connection: Connection) -> None:
    """Queues writers at BEGIN, as a read transaction that starts to write may fail."""
    driver: Any = connection.connection.driver_connection
    driver.begin(write=not connection.get_execution_options().get("mobula_read", False))


T = TypeVar("T")


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, run on a new event loop in a thread, inside or outside of a loop."""
    with ThreadPoolExecutor(1, "blocking") as executor:
        return executor.submit(asyncio.run, work).result()


class SqliteNeedsSingleNode(ValueError):
    """SQLite is configured for a cluster with several nodes; for the operator."""

    def __init__(self) -> None:
        super().__init__(
            "SQLite supports one node, and this cluster has more. Set MOBULA_DATABASE_URL on every "
            "node to the same PostgreSQL (postgresql+asyncpg://user:password@host/name)."
        )


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")
