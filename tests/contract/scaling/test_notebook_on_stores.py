"""The notebook over real stores: bounds reach the policies, decisions reach the store."""

from dataclasses import replace

from sqlalchemy import text

from cluster.autoscaling import store
from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.decision_store import RETENTION_S, SqlDecisionStore
from cluster.autoscaling.store import BoundsOverride
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from tests.contract.storage.conftest import until

CHAT = "Model:chat"


def decision(at: float, target: int = 2) -> Decision:
    return Decision(CHAT, at, 1, 1, target, "queue", "12 open, 8 each", {"open": 12.0})


async def history(database: Database) -> list[Decision]:
    async with database.read() as connection:
        return list((await store.read(connection, None, 100)).items)


async def bound(database: Database, bounds: Bounds) -> None:
    async with database.begin() as connection:
        await store.set_bounds(connection, BoundsOverride(CHAT, bounds, "key:a", 1.0))


async def test_its_thread_brings_bounds_and_takes_decisions(
    url: str, database: Database, clock: ManualClock
) -> None:
    await bound(database, Bounds(3, 5))
    notebook = SqlDecisionStore(url, clock, every_s=0.01)

    assert notebook.bounds(CHAT) == Bounds()  # nothing is known yet, and nobody waits for it
    notebook.record(decision(clock.wall()))
    await until(lambda: notebook.bounds(CHAT) == Bounds(3, 5) and notebook.written == 1)
    await bound(database, Bounds(None, 4))
    await until(lambda: notebook.bounds(CHAT) == Bounds(None, 4))
    notebook.close()

    assert await history(database) == [decision(clock.wall())]


async def test_a_store_that_fails_and_comes_back_loses_nothing(
    url: str, database: Database, clock: ManualClock
) -> None:
    notebook = SqlDecisionStore(url, clock, every_s=0.01)
    await bound(database, Bounds(3))
    await until(lambda: notebook.bounds(CHAT) == Bounds(3))
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE scaling_decisions RENAME TO away"))

    notebook.record(decision(clock.wall()))
    await until(lambda: notebook.failures > 1)
    assert notebook.bounds(CHAT) == Bounds(3)
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO scaling_decisions"))
    await until(lambda: notebook.written == 1)
    notebook.close()

    assert len(await history(database)) == 1
    assert notebook.dropped == 0


async def test_old_decisions_go_by_themselves(database: Database, clock: ManualClock) -> None:
    notebook = SqlDecisionStore("", clock, every_s=0.01)
    notebook._ended.set()  # no thread: rounds are turned by hand
    notebook.record(decision(clock.wall()))
    await notebook.sync_once(database)
    clock.advance(RETENTION_S + 1)
    notebook.record(replace(decision(clock.wall()), target=3))

    await notebook.sync_once(database)

    assert [each.target for each in await history(database)] == [3]
