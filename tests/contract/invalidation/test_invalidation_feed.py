"""The feed: what is invalidated anywhere is known everywhere, in order, and an outage is known."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete

from cluster.invalidation import store
from cluster.invalidation.feed import TIDY_S, InvalidationFeed
from cluster.invalidation.target import Target
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.tables import cache_invalidations
from tests.contract.invalidation.invalidating import good, invalidate, is_current, rows, until
from tests.servers.postgres import PostgresServer


@pytest.fixture
async def running(database: Database, clock: ManualClock) -> AsyncIterator[InvalidationFeed]:
    """Polls often."""
    feed = InvalidationFeed(database, clock, poll_s=0.01, longest_s=1000.0)
    await feed.start()
    yield feed
    await feed.close()


async def test_two_running_feeds_know_an_invalidation_within_a_second(
    database: Database, clock: ManualClock
) -> None:
    pair = [InvalidationFeed(database, clock) for _ in range(2)]
    for feed in pair:
        await feed.start()
    made = await invalidate(database, clock, "tag", "post:17")

    await until(lambda: not any(good(each, "post:17", made.seq - 1) for each in pair), within_s=1.0)

    assert all(good(each, "post:18", made.seq - 1) for each in pair)
    assert {each.generations.latest for each in pair} == {made.seq}
    for feed in pair:
        await feed.close()


async def test_who_joins_late_knows_everything(
    database: Database, clock: ManualClock, feed: InvalidationFeed
) -> None:
    made = [await invalidate(database, clock, "tag", f"t{n}") for n in range(20)]

    late = InvalidationFeed(database, clock)
    assert not is_current(late, clock)
    await late.refresh()

    assert is_current(late, clock)
    assert late.generations.latest == made[-1].seq
    assert not any(good(late, each.name, each.seq - 1) for each in made)


async def test_an_invalidation_that_commits_late_is_not_overtaken(
    database: Database, clock: ManualClock, feed: InvalidationFeed
) -> None:
    """A reader that saw the later number first would never look for the earlier one."""
    async with database.engine.connect() as early:
        first = await store.add(early, clock, "acme", Target("tag", "early"))
        late = asyncio.create_task(invalidate(database, clock, "tag", "late", tenant="other"))
        await asyncio.wait({late}, timeout=0.3)
        await feed.refresh()
        assert feed.generations.latest == 0
        await early.commit()
    second = await late
    await feed.refresh()

    assert first.seq < second.seq
    assert not good(feed, "early", first.seq - 1)
    assert not good(feed, "late", second.seq - 1, tenant="other")


async def test_however_many_invalidate_at_once_a_reader_misses_none(
    database: Database, clock: ManualClock, running: InvalidationFeed
) -> None:
    async def some(tenant: str) -> list[tuple[str, str, int]]:
        made = []
        for number in range(15):
            async with database.begin() as connection:
                each = await store.add(connection, clock, tenant, Target("tag", f"t{number}"))
                await asyncio.sleep(0)
            made.append((tenant, each.name, each.seq))
        return made

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(some(f"tenant-{number}")) for number in range(4)]
    made = [each for task in tasks for each in task.result()]
    await running.refresh()

    assert len({seq for _, _, seq in made}) == 60
    for tenant, name, seq in made:
        assert not good(running, name, seq - 1, tenant)
        assert good(running, name, seq, tenant)


async def test_numbers_that_were_never_committed_lose_nothing(
    database: Database, clock: ManualClock, feed: InvalidationFeed
) -> None:
    for _ in range(3):
        async with database.engine.connect() as connection:
            await store.add(connection, clock, "acme", Target("tag", "taken-back"))
            await connection.rollback()
    made = await invalidate(database, clock, "tag", "kept")
    await feed.refresh()

    assert good(feed, "taken-back", 0)
    assert not good(feed, "kept", made.seq - 1)


async def test_a_running_feed_forgets_once_a_day_what_is_older_than_any_answer(
    database: Database, clock: ManualClock, running: InvalidationFeed
) -> None:
    for number in range(10):
        await invalidate(database, clock, "tag", f"t{number}")
    await running.refresh()
    assert len(running.generations) == 10
    latest = running.generations.latest

    clock.advance(TIDY_S)
    await until(lambda: len(running.generations) == 1)

    assert await rows(database) == 1
    assert (running.generations.latest, running.generations.oldest_generation) == (latest, latest)
    assert is_current(running, clock)


async def test_a_store_that_forgot_is_not_trusted_again(
    database: Database, clock: ManualClock, feed: InvalidationFeed
) -> None:
    """Restored from a backup, it gives the same numbers to other invalidations."""
    await invalidate(database, clock, "tag", "a")
    await invalidate(database, clock, "tag", "b")
    await feed.refresh()
    async with database.begin() as connection:
        await connection.execute(
            delete(cache_invalidations).where(cache_invalidations.c.name == "b")
        )

    await feed.refresh()
    assert not is_current(feed, clock)
    await feed.tidy()
    await invalidate(database, clock, "tag", "b")
    await feed.refresh()
    assert not is_current(feed, clock)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_an_outage_is_known_and_over_when_it_is_over(
    database: Database,
    clock: ManualClock,
    running: InvalidationFeed,
    postgres_server: PostgresServer,
) -> None:
    postgres_server.stop()
    try:
        await until(lambda: running.failures >= 2)
        with pytest.raises(DatabaseUnavailable):
            await InvalidationFeed(database, clock).start()
        with pytest.raises(DatabaseUnavailable):
            await invalidate(database, clock, "tag", "a")
        clock.advance(60)
        assert is_current(running, clock)
        clock.advance(0.1)
        assert not is_current(running, clock)
        assert running.age_s > 60
    finally:
        postgres_server.start()
    made = await invalidate(database, clock, "tag", "a")
    await until(lambda: running.generations.latest == made.seq)

    assert is_current(running, clock)
    assert running.age_s == 0
