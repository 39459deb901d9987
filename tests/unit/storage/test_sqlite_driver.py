"""What crosses to a connection's thread, and what a transaction leaves behind."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.sqlite_driver import ROWS, ConnectionThread, SqliteConnection, open_connection

ADDED = text("INSERT INTO numbers (number) VALUES (:number)")
COUNTED = text("SELECT count(*) FROM numbers")
LISTED = text("SELECT number FROM numbers ORDER BY number")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """With a table `numbers`, and a connection in the pool."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'numbers.db'}")
    async with database.begin() as connection:
        await connection.execute(text("CREATE TABLE numbers (number INTEGER PRIMARY KEY)"))
    yield database
    await database.close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was awaited from a connection's thread."""
    made: list[Any] = []
    call = ConnectionThread.call

    async def counted(thread: ConnectionThread, work: Callable[[sqlite3.Connection], Any]) -> Any:
        made.append(work)
        return await call(thread, work)

    monkeypatch.setattr(ConnectionThread, "call", counted)
    return made


async def add(database: Database, *numbers: int) -> None:
    async with database.begin() as connection:
        for number in numbers:
            await connection.execute(ADDED, {"number": number})


async def count(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(COUNTED)).scalar_one())


async def test_a_read_waits_for_its_thread_once_a_statement(
    database: Database, calls: list[Any]
) -> None:
    async with database.read() as connection:
        await connection.execute(COUNTED)
        await connection.execute(LISTED)

    assert len(calls) == 2


async def test_a_write_waits_for_its_thread_once_a_statement_and_once_for_the_commit(
    database: Database, calls: list[Any]
) -> None:
    await add(database, 1, 2, 3)

    assert len(calls) == 4


async def test_a_transaction_without_statements_does_not_wait(
    database: Database, calls: list[Any]
) -> None:
    async with database.begin():
        pass
    async with database.read():
        pass

    assert calls == []


async def test_a_new_connection_is_one_call(database: Database, calls: list[Any]) -> None:
    async with database.read() as one, database.read() as other:
        await one.execute(COUNTED)
        calls.clear()
        await other.execute(COUNTED)

    assert len(calls) <= 2  # to open it, and for its statement


@pytest.mark.parametrize("rows", [0, 1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS])
async def test_every_row_arrives_once_and_in_order(database: Database, rows: int) -> None:
    async with database.begin() as connection:
        if rows:
            await connection.execute(ADDED, [{"number": number} for number in range(rows)])

    async with database.read() as connection:
        whole = (await connection.execute(LISTED)).scalars().all()
        streamed = await connection.stream(LISTED)
        parts = [list(part) async for part in streamed.scalars().partitions(100)]

    assert whole == [number for part in parts for number in part] == list(range(rows))
    assert all(len(part) <= 100 for part in parts)


async def test_a_result_that_is_left_half_read_holds_no_lock(database: Database) -> None:
    await add(database, *range(3 * ROWS))

    async with database.read() as connection:
        result = await connection.stream(LISTED, execution_options={"yield_per": 10})
        assert await result.fetchone() == (0,)
        await result.close()

    await add(database, 10_000)
    assert await count(database) == 3 * ROWS + 1


async def test_a_transaction_that_failed_leaves_nothing(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await add(database, 1, 2, 1)

    assert await count(database) == 0
    await add(database, 1)
    assert await count(database) == 1


async def test_numbers_of_changed_rows_and_the_last_key_are_those_of_the_statement(
    database: Database,
) -> None:
    await add(database, 1, 2, 3)

    async with database.begin() as connection:
        changed = await connection.execute(text("UPDATE numbers SET number = number + 10"))
        returned = await connection.execute(text("DELETE FROM numbers RETURNING number"))
        added = await connection.execute(ADDED, {"number": 77})
        savepoint = await connection.begin_nested()
        await connection.execute(ADDED, {"number": 78})
        await savepoint.rollback()

    assert (changed.rowcount, added.lastrowid) == (3, 77)
    assert sorted(returned.scalars()) == [11, 12, 13]
    assert await count(database) == 1


async def test_readers_see_what_was_committed_when_they_began(database: Database) -> None:
    await add(database, 1)

    async with database.read() as connection:
        assert (await connection.execute(COUNTED)).scalar_one() == 1
        await add(database, 2)
        assert (await connection.execute(COUNTED)).scalar_one() == 1

    assert await count(database) == 2


async def test_a_writer_that_waits_too_long_for_another_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.storage.database.BUSY_TIMEOUT_MS", 1)

    async with database.begin() as connection:
        await connection.execute(ADDED, {"number": 1})
        with pytest.raises(DatabaseUnavailable):
            await add(database, 2)

    assert await count(database) == 1


async def test_a_file_that_cannot_be_opened_is_a_store_that_is_away(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'no' / 'folder' / 'numbers.db'}")

    with pytest.raises(DatabaseUnavailable):
        await count(database)

    await database.close()


async def test_a_connection_whose_transaction_could_not_be_ended_is_not_used_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with database.read() as connection:
        await connection.execute(COUNTED)
        raw = (await connection.get_raw_connection()).driver_connection
        assert isinstance(raw, SqliteConnection)
        raw._opened_thread().post(fail)
        with pytest.raises(OperationalError):
            await connection.execute(COUNTED)

    assert await count(database) == 0


async def test_a_closed_connection_refuses_statements(tmp_path: Path) -> None:
    connection = await open_connection(lambda: sqlite3.connect(tmp_path / "numbers.db"))
    await connection.close()
    await connection.close()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        await connection.cursor().execute("SELECT 1")


async def test_a_caller_that_is_cancelled_leaves_the_thread_at_work(tmp_path: Path) -> None:
    connection = await open_connection(lambda: sqlite3.connect(tmp_path / "numbers.db"))
    await connection.create_function("fail", 0, lambda: 1 / 0)
    task = asyncio.create_task(connection.run(lambda each: each.execute("SELECT 1").fetchall()))
    await asyncio.sleep(0)
    task.cancel()

    cursor = await connection.cursor().execute("SELECT 2 UNION SELECT 3 ORDER BY 1")
    assert (await cursor.fetchone(), await cursor.fetchone(), await cursor.fetchone()) == (
        (2,),
        (3,),
        None,
    )
    with pytest.raises(sqlite3.OperationalError):
        await connection.cursor().execute("SELECT fail()")
    await connection.close()
