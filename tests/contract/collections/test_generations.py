"""A second generation of points is made beside the first and searched from one moment on."""

import pytest

from cluster.collections.model import Collection, PointDraft, ReindexInProgress
from cluster.runtime.problems import NotFound
from tests.contract.collections.conftest import StoredCollections, vector, words


async def begin(stored: StoredCollections, id: str, job: str = "job_1", ended: str = "") -> None:
    async with stored.database.begin() as connection:
        await stored.generations.begin(connection, "acme", id, job, ended or None)


async def copy(stored: StoredCollections, id: str, limit: int = 100) -> int:
    """The next points, with other vectors; how many."""
    collection = await stored.get(id)
    async with stored.database.begin() as connection:
        copied = await stored.generations.copied(connection, collection)
        found = await stored.generations.changed(connection, collection, copied, limit)
        copies = [
            (each, None if each.deleted else PointDraft(each.id, each.text, {}, vector(0, 1)))
            for each in found
        ]
        await stored.generations.copy(connection, collection, 0, copies)
    return len(found)


async def finish(stored: StoredCollections, id: str, job: str = "job_1") -> Collection | None:
    collection = await stored.get(id)
    async with stored.database.begin() as connection:
        return await stored.generations.finish(connection, collection, job, "other", 2)


async def test_points_are_searched_in_the_old_generation_until_the_switch(
    stored: StoredCollections,
) -> None:
    made = await stored.create(model="mini")
    await stored.put(made, words("a", "b"))
    await begin(stored, made.id)
    await copy(stored, made.id)

    before = await stored.get(made.id)
    after = await finish(stored, made.id)

    assert (before.generation, before.building, before.job, before.model) == (1, 2, "job_1", "mini")
    assert after is not None
    assert (after.generation, after.building, after.job, after.model) == (2, None, None, "other")
    assert (after.points, after.dimensions, after.sequence) == (2, 2, before.sequence)
    assert await stored.ids(made) == ["a", "b"]


async def test_what_changed_meanwhile_is_copied_before_the_switch(
    stored: StoredCollections,
) -> None:
    made = await stored.create()
    await stored.put(made, words("a", "b", "c"))
    await begin(stored, made.id)
    assert await copy(stored, made.id, limit=2) == 2
    await stored.put(made, words("a", "d", text="new"))
    await stored.delete(made.id, "b")

    assert await finish(stored, made.id) is None
    while await copy(stored, made.id, limit=1):
        pass
    after = await finish(stored, made.id)

    assert after is not None
    assert after.points == 3
    assert await stored.ids(made) == ["a", "c", "d"]
    async with stored.database.read() as connection:
        found = await stored.points.get(connection, "acme", after, "a")
    assert found.text == "new"
    assert after.bytes == sum(
        len("new" if id in "ad" else "words") + len("{}") + 4 for id in ("a", "c", "d")
    )


async def test_a_killed_reindexing_goes_on_where_it_was(stored: StoredCollections) -> None:
    made = await stored.create()
    await stored.put(made, words("a", "b", "c"))
    await begin(stored, made.id)
    await copy(stored, made.id, limit=2)

    async with stored.database.read() as connection:
        found = await stored.generations.under_way(connection, "acme", made.id, "job_1")
        assert found is not None
        copied = await stored.generations.copied(connection, found)
        left = await stored.generations.left(connection, found, copied)

    assert (copied, left) == (2, 1)


async def test_one_job_at_a_time_reindexes_a_collection(stored: StoredCollections) -> None:
    made = await stored.create()
    await begin(stored, made.id)

    with pytest.raises(ReindexInProgress, match="job_1"):
        await begin(stored, made.id, "job_2")
    await begin(stored, made.id, "job_2", ended="job_1")
    assert (await stored.get(made.id)).job == "job_2"


async def test_an_abandoned_generation_is_never_searched(stored: StoredCollections) -> None:
    made = await stored.create()
    await stored.put(made, words("a"))
    await begin(stored, made.id)
    await copy(stored, made.id)
    async with stored.database.begin() as connection:
        await stored.generations.abandon(connection, "acme", made.id, "job_1")

    assert await finish(stored, made.id) is None
    await begin(stored, made.id, "job_2")
    assert (await stored.get(made.id)).building == 3
    async with stored.database.read() as connection:
        assert await stored.generations.under_way(connection, "acme", made.id, "job_1") is None


async def test_another_tenants_collection_is_not_reindexed(stored: StoredCollections) -> None:
    made = await stored.create()

    async with stored.database.begin() as connection:
        with pytest.raises(NotFound):
            await stored.generations.begin(connection, "other", made.id, "job_1")
