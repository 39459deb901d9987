"""The driver of SQLite under SQLAlchemy's dialect `sqlite+aiosqlite`: one thread call a statement.

A statement and the first rows of its result cross to the connection's thread together, and so does
the BEGIN before the first statement of a transaction. aiosqlite makes a call for each cursor,
statement, result and close. Knows no tables and no SQLAlchemy; raises what `sqlite3` raises.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self, TypeVar

ROWS = 256  # read with the statement; more are read when they are asked for
BEGIN_READ, BEGIN_WRITE = "BEGIN", "BEGIN IMMEDIATE"

T = TypeVar("T")
Row = tuple[Any, ...]
Work = Callable[[sqlite3.Connection], Any]
Connect = Callable[[], sqlite3.Connection]


class ConnectionThread:
    """The thread that alone uses a connection of `sqlite3`, for as long as it is open."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._calls: SimpleQueue[tuple[asyncio.Future[Any] | None, Work] | None] = SimpleQueue()
        Thread(target=self._run, name="sqlite", daemon=True).start()

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns or raises. If the caller is cancelled, it goes on."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put((future, work))
        return await future

    def post(self, work: Work) -> None:
        """Does `work` before all later calls. If it fails, the connection is closed, and they
        fail."""
        self._calls.put((None, work))

    def end(self) -> None:
        """Closes the connection after the calls that are waiting."""
        self._calls.put(None)

    def _run(self) -> None:
        connection = None
        while (call := self._calls.get()) is not None:
            future, work = call
            result = error = None
            try:
                connection = connection or self._connect()
                result = work(connection)
            except BaseException as raised:  # noqa: BLE001  the caller's, whatever it is
                error = raised
                if future is None and connection is not None:
                    close(connection)
            if future is not None:
                with suppress(RuntimeError):  # the caller's event loop is closed
                    future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            del call, future, work, result, error
        if connection is not None:
            close(connection)


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():  # the caller was cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def close(connection: sqlite3.Connection) -> None:
    """Rolls back first: SQLite keeps a closed connection with open statements alive, and its write
    lock. Again is harmless."""
    with suppress(sqlite3.Error):
        connection.rollback()
    connection.close()


class SqliteConnection:
    """An open connection. Its statements run one after the other."""

    def __init__(self, thread: ConnectionThread) -> None:
        self._thread: ConnectionThread | None = thread
        self._begin = ""  # the statement that the next one follows
        self._is_reading, self._in_transaction = False, False

    def __del__(self) -> None:
        self.stop()

    @property
    def _connection(self) -> ConnectionThread | None:
        """SQLAlchemy asks whether it is open."""
        return self._thread

    def begin(self, *, write: bool) -> None:
        """A transaction that starts with the next statement; a writer waits there for others."""
        self._begin, self._is_reading = (BEGIN_WRITE if write else BEGIN_READ), not write

    async def commit(self) -> None:
        if self._ends():
            await self.run(sqlite3.Connection.commit)

    async def rollback(self) -> None:
        """Nobody waits for the end of a transaction that has only read."""
        if not self._ends():
            return
        if self._is_reading and self._thread is not None:
            self._in_transaction = False
            self._thread.post(sqlite3.Connection.rollback)
        else:
            await self.run(sqlite3.Connection.rollback)

    def _ends(self) -> bool:
        """Whether a transaction is open; one that has run no statement is forgotten."""
        self._begin = ""
        return self._in_transaction

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        """It exists from the next statement on."""
        self._opened_thread().post(lambda each: each.create_function(*arguments, **options))

    def cursor(self) -> "SqliteCursor":
        return SqliteCursor(self)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns or raises, on the thread, in the transaction that `begin` named."""
        begin, self._begin = self._begin, ""

        def run_in_transaction(connection: sqlite3.Connection) -> T:
            try:
                if begin:
                    connection.execute(begin)
                return work(connection)
            finally:
                self._in_transaction = connection.in_transaction

        return await self._opened_thread().call(run_in_transaction)

    def _opened_thread(self) -> ConnectionThread:
        if self._thread is None:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        return self._thread

    async def close(self) -> None:
        """Returns when the file is closed. Again is harmless."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            try:
                await thread.call(close)
            finally:
                thread.end()

    def stop(self) -> None:
        """Closes it without waiting."""
        if self._thread is not None:
            self._thread.end()
            self._thread = None


class SqliteCursor:
    """One statement and its rows."""

    arraysize = 1

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._cursor: sqlite3.Cursor | None = None  # of rows that were not read yet
        self._rows: deque[Row] = deque()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> Self:
        def execute(connection: sqlite3.Connection) -> None:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            self._read(cursor, ROWS)

        await self._connection.run(execute)
        return self

    async def executemany(self, statement: str, rows: Sequence[Any]) -> Self:
        def execute(connection: sqlite3.Connection) -> None:
            cursor = connection.cursor()
            cursor.executemany(statement, rows)
            self._read(cursor, ROWS)

        await self._connection.run(execute)
        return self

    def _read(self, cursor: sqlite3.Cursor, number: int | None) -> None:
        """On the thread: so many more rows (None: all)."""
        self.description, rows = cursor.description, []
        if self.description is not None:
            rows = cursor.fetchall() if number is None else cursor.fetchmany(number)
        self._rows.extend(rows)
        has_more = number is not None and len(rows) == number
        self._cursor = cursor if has_more else None
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid

    async def fetchall(self) -> list[Row]:
        return await self._take(None)

    async def fetchmany(self, size: int | None = None) -> list[Row]:
        return await self._take(self.arraysize if size is None else size)

    async def fetchone(self) -> Row | None:
        rows = await self._take(1)
        return rows[0] if rows else None

    async def _take(self, number: int | None) -> list[Row]:
        cursor = self._cursor
        if cursor is not None and (number is None or len(self._rows) < number):
            more = None if number is None else max(ROWS, number - len(self._rows))
            await self._connection.run(lambda _: self._read(cursor, more))
        count = len(self._rows) if number is None else min(number, len(self._rows))
        return [self._rows.popleft() for _ in range(count)]

    async def close(self) -> None:
        """Ends the statement if it has more rows."""
        cursor, self._cursor = self._cursor, None
        self._rows.clear()
        if cursor is not None:
            await self._connection.run(lambda _: cursor.close())


async def open_connection(connect: Connect) -> SqliteConnection:
    """`connect` opens the file, on the connection's thread, and begins no transactions itself."""
    connection = SqliteConnection(ConnectionThread(connect))
    await connection.run(lambda _: None)  # a failure to open it is raised here
    return connection
