"""A PostgreSQL database that each test finds with the same rows.

Making a database and opening a connection take longer than most tests. So one database stays, and
so does the connection that restores its rows: by one statement, whose plans PostgreSQL keeps.
"""

import asyncio
from collections.abc import Callable, Coroutine
from threading import Thread
from typing import Any, Self, TypeVar

import asyncpg
from sqlalchemy import make_url

from cluster.storage.tables import metadata
from tests.servers.postgres import PostgresServer

T = TypeVar("T")
LIMIT_S = 60.0

# Whatever the test before forgot to close, or left in a transaction.
_END_OTHER_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_RESTORE = "SELECT snapshot.restore()"


class LoopThread:
    """An event loop in a thread: what runs on it outlives the loop of a test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="test-stores", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT_S)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class PostgresTemplates:
    """Makes databases like the migrated one of a server."""

    def __init__(self, server: PostgresServer, migrated: str) -> None:
        self.server = server
        self._migrated = migrated

    def new_database(self) -> str:
        """The URL of a migrated database that is nobody else's."""
        return self.server.new_database(self._migrated)


class ReusedPostgres:
    """Use as a context manager. `fill` writes the rows to a migrated database, by its URL."""

    def __init__(
        self, templates: PostgresTemplates, fill: Callable[[str], None] | None = None
    ) -> None:
        self._templates = templates
        self._fill = fill
        self._url = ""
        self._connection: asyncpg.Connection | None = None
        self._loop = LoopThread()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop_connection()
        self._loop.close()

    def restore(self) -> str:
        """The URL, when the rows are those that `fill` wrote and nobody is connected.

        A database whose tables a test has changed is left, and another is made.
        """
        if self._url:
            for _ in range(2):  # the server may have been stopped since
                try:
                    self._loop.run(self._restore())
                    return self._url
                except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
                    self._drop_connection()
                except asyncpg.PostgresError:
                    self._drop_connection()
                    break
        self._url = self._templates.new_database()
        if self._fill is not None:
            self._fill(self._url)
        self._loop.run(self._take_snapshot())
        return self._url

    async def _restore(self) -> None:
        connection = await self._connected()
        await connection.execute(_END_OTHER_SESSIONS)
        await connection.execute(_RESTORE)

    async def _take_snapshot(self) -> None:
        """Copies of the tables, and a function that restores them."""
        connection = await self._connected()
        names = [table.name for table in metadata.sorted_tables]
        await connection.execute("CREATE SCHEMA snapshot")
        statements = [f"DELETE FROM public.{name};" for name in reversed(names)]
        for name in names:
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM public.{name})"):
                await connection.execute(f"CREATE TABLE snapshot.{name} AS TABLE public.{name}")
                statements.append(f"INSERT INTO public.{name} SELECT * FROM snapshot.{name};")
        body = " ".join(statements)
        await connection.execute(
            "CREATE FUNCTION snapshot.restore() RETURNS void LANGUAGE plpgsql "
            f"AS $$ BEGIN {body} END $$"
        )

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None:
            url = make_url(self._url)
            self._connection = await asyncpg.connect(
                host=url.query["host"], user=url.username, database=url.database, timeout=LIMIT_S
            )
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._loop.run(_terminate(self._connection))
            self._connection = None


async def _terminate(connection: asyncpg.Connection) -> None:
    connection.terminate()
