"""Points that nobody searches are deleted, and whoever has seen less loads the rest anew."""

from sqlalchemy import select

from cluster.collections.purge import (
    TOMBSTONE_S,
    delete_expired,
    delete_points,
    find_orphans,
    find_unsearched,
    purge_tombstones,
)
from cluster.runtime.clock import ManualClock
from cluster.storage.tables import points
from tests.contract.collections.conftest import StoredCollections, words
from tests.contract.collections.test_generations import begin, copy, finish


async def rows(stored: StoredCollections) -> list[tuple[int, str]]:
    async with stored.database.read() as connection:
        query = select(points.c.generation, points.c.id).order_by(points.c.generation, points.c.id)
        return [tuple(row) for row in await connection.execute(query)]


async def test_points_of_deleted_collections_are_deleted(stored: StoredCollections) -> None:
    made, kept = await stored.create(), await stored.create("other")
    await stored.put(made, words("a", "b"))
    await stored.put(kept, words("c"), "other")
    async with stored.database.begin() as connection:
        await stored.collections.delete(connection, "acme", made.id)

    async with stored.database.read() as connection:
        orphans = await find_orphans(connection)
    deleted = await delete_points(stored.database.begin, orphans[0])

    assert (orphans, deleted) == ([made.id], 2)
    assert await rows(stored) == [(1, "c")]
    async with stored.database.read() as connection:
        assert await find_orphans(connection) == []


async def test_generations_that_nobody_searches_are_found(stored: StoredCollections) -> None:
    made = await stored.create()
    await stored.put(made, words("a"))
    await begin(stored, made.id)
    await copy(stored, made.id)
    async with stored.database.read() as connection:
        assert await find_unsearched(connection) == []

    await finish(stored, made.id)
    async with stored.database.read() as connection:
        switched = await find_unsearched(connection)
    await delete_points(stored.database.begin, made.id, 1)
    await begin(stored, made.id, "job_2")
    await copy(stored, made.id)
    async with stored.database.begin() as connection:
        await stored.generations.abandon(connection, "acme", made.id, "job_2")
        abandoned = await find_unsearched(connection)

    assert (switched, abandoned) == ([(made.id, 1)], [(made.id, 3)])
    assert await rows(stored) == [(2, "a"), (3, "a")]


async def test_tombstones_are_deleted_after_an_hour_and_the_collection_says_so(
    stored: StoredCollections, clock: ManualClock
) -> None:
    made = await stored.create()
    await stored.put(made, words("a", "b", "c"))
    first = await stored.delete(made.id, "a")
    clock.advance(TOMBSTONE_S / 2)
    await stored.delete(made.id, "b")
    assert await purge_tombstones(stored.database.begin, clock.wall()) == 0
    clock.advance(TOMBSTONE_S / 2 + 1)

    purged = await purge_tombstones(stored.database.begin, clock.wall())

    assert (purged, await rows(stored)) == (1, [(1, "b"), (1, "c")])
    assert (await stored.get(made.id)).purged == first.collection.sequence
    clock.advance(TOMBSTONE_S)
    assert await purge_tombstones(stored.database.begin, clock.wall()) == 1


async def test_collections_that_nobody_uses_expire(
    stored: StoredCollections, clock: ManualClock
) -> None:
    await stored.create(name="for-ever")
    made = await stored.create(name="a-day", keep_s=86_400.0)
    clock.advance(86_401)

    async with stored.database.begin() as connection:
        expired = await delete_expired(connection, clock.wall())

    assert expired == [("acme", made.id, "a-day")]
    await stored.get("for-ever")
