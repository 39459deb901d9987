"""`post.due` on both databases: one event for each time that was set, whoever publishes it."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import select

from cluster.administration.library import LibraryService
from cluster.library.due import DuePostPublisher
from cluster.library.status import PostTransition
from cluster.library.transitions import TransitionRequest
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import events
from tests.contract.library.conftest import ANA, draft
from tests.contract.transactions import read_transactions

_T = PostTransition


async def schedule(
    library: LibraryService, clock: ManualClock, id: str, ahead_s: float, *steps: PostTransition
) -> None:
    at = datetime.fromtimestamp(clock.wall() + ahead_s, UTC).isoformat(timespec="seconds")
    for step in steps or (_T.SUBMIT, _T.APPROVE, _T.SCHEDULE):
        timed = at if step in (_T.SCHEDULE, _T.RESCHEDULE) else None
        await library.transition(ANA, "acme", id, None, TransitionRequest(step, at=timed))


async def due(database: Database) -> list[tuple[str, int]]:
    """The id and the number of the time of each event, in order."""
    async with database.read() as connection:
        query = select(events.c.data).where(events.c.kind == "post.due").order_by(events.c.at)
        rows = (await connection.execute(query)).scalars()
        return sorted((data["id"], data["schedule"]) for data in rows)


async def test_several_publishers_write_one_event_for_each_time_that_was_set(
    library: LibraryService, database: Database, clock: ManualClock
) -> None:
    for id in ("p", "q", "later", "withdrawn"):
        await library.create(ANA, "acme", draft(id=id))
        await schedule(library, clock, id, 900.0 if id == "later" else 60.0)
    await schedule(library, clock, "withdrawn", 0, _T.UNSCHEDULE)
    notifications: list[None] = []
    publishers = [
        DuePostPublisher(database, clock, lambda: notifications.append(None)) for _ in range(3)
    ]
    assert [await each.run_once() for each in publishers] == [0, 0, 0]

    clock.advance(61)
    counts = await asyncio.gather(*(each.run_once() for each in publishers))

    assert sum(counts) == 2
    assert notifications
    assert await due(database) == [("p", 1), ("q", 1)]
    await schedule(library, clock, "p", 30.0, _T.RESCHEDULE)
    clock.advance(31)
    for each in publishers:
        await each.run_once()
    assert await due(database) == [("p", 1), ("p", 2), ("q", 1)]


async def test_a_post_that_takes_the_id_of_a_deleted_one_has_its_own_event(
    library: LibraryService, database: Database, clock: ManualClock
) -> None:
    publisher = DuePostPublisher(database, clock, lambda: None)
    for _ in range(2):
        await library.create(ANA, "acme", draft(id="p"))
        await schedule(library, clock, "p", 5.0)
        clock.advance(6)
        await publisher.run_once()
        await library.delete(ANA, "acme", "p", None)

    assert await due(database) == [("p", 1), ("p", 1)]


async def test_polls_of_a_store_in_which_nothing_is_committed_read_nothing(
    library: LibraryService, database: Database, clock: ManualClock
) -> None:
    publisher = DuePostPublisher(database, clock, lambda: None)
    await library.create(ANA, "acme", draft(id="p"))
    await schedule(library, clock, "p", 60.0)
    await publisher.run_once()
    before = read_transactions(database)

    for _ in range(3):
        clock.advance(1)
        assert await publisher.run_once() == 0

    if database.is_sqlite:  # the other store has to be asked
        assert read_transactions(database) == before
    clock.advance(60)
    assert await publisher.run_once() == 1
