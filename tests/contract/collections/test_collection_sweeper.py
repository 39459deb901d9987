"""The sweep of collections: what nobody searches goes, what somebody may still read stays."""

import pytest
from sqlalchemy import insert, select

from cluster.collections.sweeper import UNSEARCHED_S, CollectionSweeper
from cluster.runtime.clock import ManualClock
from cluster.storage.tables import events, jobs
from deployments.contracts.jobs import NewJob
from deployments.jobs.job_rows import new_row
from tests.contract.collections.conftest import StoredCollections, words
from tests.contract.collections.test_generations import begin, copy, finish
from tests.contract.collections.test_purged_points import rows


async def add_job(stored: StoredCollections, id: str) -> None:
    row = new_row(NewJob("acme", "reindex", "key", {}), 0.0)
    async with stored.database.begin() as connection:
        await connection.execute(insert(jobs).values(**{**row, "id": id}))


@pytest.fixture
def sweeper(stored: StoredCollections, clock: ManualClock) -> CollectionSweeper:
    return CollectionSweeper(stored.database, clock)


async def test_points_of_deleted_collections_go_at_the_next_sweep(
    stored: StoredCollections, sweeper: CollectionSweeper
) -> None:
    made, kept = await stored.create(), await stored.create()
    await stored.put(made, words("a", "b"))
    await stored.put(kept, words("c"))
    async with stored.database.begin() as connection:
        await stored.collections.delete(connection, "acme", made.id)

    assert await sweeper.run_once() == 2
    assert await rows(stored) == [(1, "c")]
    assert await sweeper.run_once() == 0


async def test_an_old_generation_stays_for_searches_that_began_before_the_switch(
    stored: StoredCollections, sweeper: CollectionSweeper, clock: ManualClock
) -> None:
    made = await stored.create()
    await stored.put(made, words("a"))
    await begin(stored, made.id)
    await copy(stored, made.id)
    await finish(stored, made.id)

    assert await sweeper.run_once() == 0
    clock.advance(UNSEARCHED_S - 1)
    assert await sweeper.run_once() == 0
    clock.advance(2)
    assert await sweeper.run_once() == 1
    assert await rows(stored) == [(2, "a")]


async def test_a_reindexing_whose_job_is_over_is_abandoned(
    stored: StoredCollections, sweeper: CollectionSweeper
) -> None:
    lost, runs = await stored.create(), await stored.create()
    await begin(stored, lost.id, "job_lost")
    await begin(stored, runs.id, "job_runs")
    await add_job(stored, "job_runs")

    await sweeper.run_once()

    assert (await stored.get(lost.id)).job is None
    assert (await stored.get(runs.id)).job == "job_runs"


async def test_an_expired_collection_is_deleted_with_an_event(
    stored: StoredCollections, sweeper: CollectionSweeper, clock: ManualClock
) -> None:
    made = await stored.create(name="a-day", keep_s=86_400.0)
    await stored.put(made, words("a"))
    clock.advance(86_401)

    assert await sweeper.run_once() == 1

    async with stored.database.read() as connection:
        query = select(events.c.kind, events.c.data)
        found = [tuple(row) for row in await connection.execute(query)]
    assert found == [("collection.deleted", {"id": made.id, "name": "a-day"})]
    assert await rows(stored) == []
