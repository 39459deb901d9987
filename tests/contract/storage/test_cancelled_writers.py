"""Tasks that are cancelled in the middle of a transaction leave the store to the others.

SQLAlchemy closes their connections; one that SQLite kept alive held the writers' lock for good.
"""

import asyncio
import random

from sqlalchemy import text

from cluster.storage.database import Database

ROUNDS = 25
COUNTED = text("SELECT count(*) FROM changes")
ADDED = text("INSERT INTO changes (seq, at, kind, id) VALUES (:seq, 0, 'key', 'k')")


async def writing(database: Database, first: int) -> None:
    for seq in range(first, first + 10_000):
        async with database.begin() as connection:
            await connection.execute(COUNTED)
            await connection.execute(ADDED, {"seq": seq})


async def reading(database: Database) -> None:
    while True:
        async with database.read() as connection:
            await connection.execute(COUNTED)


async def test_cancelled_transactions_hold_no_lock(url: str) -> None:
    dice = random.Random(1)
    for round_ in range(ROUNDS):
        database, first = Database(url), 100_000 * (round_ + 1)
        works = writing(database, first), writing(database, first + 20_000), reading(database)
        tasks = [asyncio.create_task(work) for work in works]
        await asyncio.sleep(dice.random() * 0.02)
        for task in tasks:
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)

        async with asyncio.timeout(60), database.begin() as connection:
            await connection.execute(ADDED, {"seq": first + 50_000})
        await database.close()
