"""Collections and points in the store: numbers of changes, quotas, tenants, tombstones."""

import asyncio
from dataclasses import replace

import pytest

from cluster.collections.model import (
    CollectionChanged,
    CollectionPaused,
    CollectionsFull,
    DimensionsDiffer,
    PointDraft,
)
from cluster.collections.repository import is_use_late
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Conflict, NotFound
from tests.contract.collections.conftest import StoredCollections, vector, words


async def test_a_collection_is_found_by_its_id_and_by_its_name(stored: StoredCollections) -> None:
    made = await stored.create(name="posts", model="mini", attributes={"team": "a"})

    assert await stored.get("posts") == await stored.get(made.id) == made
    assert (made.generation, made.sequence, made.points) == (1, 0, 0)
    with pytest.raises(NotFound):
        await stored.get("posts", "other")
    with pytest.raises(Conflict, match="posts"):
        await stored.create(name="posts")
    assert (await stored.create("other", "posts")).id != made.id


async def test_without_a_name_a_collection_is_called_by_its_id(stored: StoredCollections) -> None:
    made = await stored.create()

    assert made.name == made.id


async def test_a_tenant_has_no_more_collections_than_its_plan(stored: StoredCollections) -> None:
    for _ in range(3):
        await stored.create()

    with pytest.raises(CollectionsFull, match="3 collections"):
        await stored.create()
    await stored.create("other")


async def test_each_changed_point_gets_the_next_number(stored: StoredCollections) -> None:
    made = await stored.create()

    first = await stored.put(made, words("b", "a"))
    again = await stored.put(made, words("a", "c", text="longer words"))

    assert (first.inserted, first.replaced, first.collection.sequence) == (2, 0, 2)
    assert (again.inserted, again.replaced, again.collection.sequence) == (1, 1, 4)
    assert await stored.ids(made) == ["a", "b", "c"]
    async with stored.database.read() as connection:
        changed = await stored.generations.changed(connection, again.collection, 1, 10)
    assert [(each.id, each.sequence) for each in changed] == [("a", 3), ("c", 4)]
    assert again.collection.points == 3


async def test_concurrent_changes_have_different_numbers(stored: StoredCollections) -> None:
    made = await stored.create()

    changes = await asyncio.gather(
        *(stored.put(made, words(f"p{index}", f"q{index}")) for index in range(5))
    )

    assert sorted(each.collection.sequence for each in changes) == [2, 4, 6, 8, 10]
    async with stored.database.read() as connection:
        found = await stored.generations.changed(connection, changes[0].collection, 0, 100)
    assert [each.sequence for each in found] == list(range(1, 11))


async def test_deleted_points_leave_tombstones_and_free_their_bytes(
    stored: StoredCollections,
) -> None:
    made = await stored.create()
    put = await stored.put(made, [*words("a", "b"), PointDraft("v", vector=vector(1, 0))])

    gone = await stored.delete(made.id, "a", "v", "nobody")
    again = await stored.delete(made.id, "a")

    assert (gone.deleted, again.deleted) == (2, 0)
    assert gone.collection.points == 1
    assert 0 < gone.collection.bytes < put.collection.bytes
    async with stored.database.read() as connection:
        dead = [
            each
            for each in await stored.generations.changed(connection, gone.collection, 0, 10)
            if each.deleted
        ]
        with pytest.raises(NotFound):
            await stored.points.get(connection, "acme", gone.collection, "a")
    assert [(each.id, each.text, each.payload, each.vector) for each in dead] == [
        ("a", "", {}, None),
        ("v", "", {}, None),
    ]
    assert all(each.sequence > put.collection.sequence for each in dead)
    back = await stored.put(made, words("a"))
    assert (back.inserted, back.collection.points) == (1, 2)


async def test_points_that_were_changed_since_they_matched_stay(stored: StoredCollections) -> None:
    made = await stored.create()
    seen = (await stored.put(made, words("a", "b"))).collection.sequence
    await stored.put(made, words("b", text="no match any more"))

    gone = await stored.delete(made.id, "a", "b", up_to=seen)

    assert gone.deleted == 1
    assert await stored.ids(made) == ["b"]


async def test_a_deleted_collection_takes_no_points(stored: StoredCollections) -> None:
    made = await stored.create()
    async with stored.database.begin() as connection:
        await stored.collections.delete(connection, "acme", made.id)

    with pytest.raises(NotFound):
        await stored.put(made, words("a"))
    with pytest.raises(NotFound):
        await stored.delete(made.id, "a")


async def test_another_tenant_changes_nothing(stored: StoredCollections) -> None:
    made = await stored.create()
    await stored.put(made, words("a"))

    with pytest.raises(NotFound):
        await stored.put(made, words("a"), "other")
    with pytest.raises(NotFound):
        await stored.delete(made.id, "a", tenant="other")
    foreign = replace(made, tenant="other")
    async with stored.database.read() as connection:
        with pytest.raises(NotFound):
            await stored.points.get(connection, "other", foreign, "a")
        assert (await stored.points.list(connection, "other", foreign, 10)).items == ()
    async with stored.database.begin() as connection:
        with pytest.raises(NotFound):
            await stored.collections.update(connection, "other", made.id, description="mine")
        with pytest.raises(NotFound):
            await stored.collections.delete(connection, "other", made.id)
    assert await stored.ids(made) == ["a"]


async def test_what_does_not_fit_is_not_stored(stored: StoredCollections) -> None:
    made, second = await stored.create(), await stored.create()
    await stored.put(made, words(*"abcdef"))

    with pytest.raises(CollectionsFull, match="10 points"):
        await stored.put(second, words(*"abcde"))
    with pytest.raises(CollectionsFull, match="2000 bytes"):
        await stored.put(second, words("a", text="x" * 2_000))
    assert (await stored.get(second.id)).sequence == 0
    await stored.put(second, words(*"abcd"))
    await stored.put(made, words("a"))  # grows by nothing


async def test_vectors_have_the_dimensions_of_the_first(stored: StoredCollections) -> None:
    made = await stored.create()
    await stored.put(made, words("t"))
    first = await stored.put(made, [PointDraft("a", vector=vector(1, 0, 0))])
    assert first.collection.dimensions == 3

    with pytest.raises(DimensionsDiffer, match=r"points\.1\.vector: has 2"):
        await stored.put(made, [*words("x"), PointDraft("b", vector=vector(1, 0))])
    assert await stored.ids(made) == ["a", "t"]


async def test_points_are_listed_by_id_page_by_page(stored: StoredCollections) -> None:
    made = (await stored.put(await stored.create(), words(*"cab"))).collection

    async with stored.database.read() as connection:
        first = await stored.points.list(connection, "acme", made, 2)
        rest = await stored.points.list(connection, "acme", made, 2, first.next)

    assert [each.id for each in (*first.items, *rest.items)] == ["a", "b", "c"]
    assert rest.next is None


async def test_points_made_for_another_generation_are_refused(stored: StoredCollections) -> None:
    made = await stored.create()
    await stored.put(made, words("a"))
    async with stored.database.begin() as connection:
        building = await stored.generations.begin(connection, "acme", made.id, "job_1")
        changed = await stored.generations.changed(connection, building, 0, 10)
        await stored.generations.copy(
            connection, building, 0, [(each, words(each.id)[0]) for each in changed]
        )
        await stored.generations.finish(connection, building, "job_1", "mini", 0)

    with pytest.raises(CollectionChanged):
        await stored.put(made, words("b"))


async def test_writers_wait_for_the_end_of_a_reindexing_and_deletions_do_not(
    stored: StoredCollections, clock: ManualClock
) -> None:
    made = await stored.create()
    await stored.put(made, words("a"))
    async with stored.database.begin() as connection:
        await stored.generations.pause(connection, "acme", made.id)

    with pytest.raises(CollectionPaused) as refused:
        await stored.put(made, words("b"))
    assert 0 < refused.value.extensions["retry_after_s"] <= 10
    await stored.delete(made.id, "a")
    clock.advance(10.1)
    await stored.put(made, words("b"))


async def test_the_use_of_collections_that_expire_is_written_once_a_minute(
    stored: StoredCollections, clock: ManualClock
) -> None:
    kept, made = await stored.create(), await stored.create(keep_s=86_400.0)
    clock.advance(61)
    assert not is_use_late(kept, clock.wall())
    assert is_use_late(made, clock.wall())

    async with stored.database.begin() as connection:
        await stored.collections.touch(connection, "acme", made.id)

    used = await stored.get(made.id)
    assert not is_use_late(used, clock.wall())
    assert used.expires == clock.wall() + 86_400.0
