"""A search sees every change that was committed before it began, and nothing that is deleted."""

import asyncio
from dataclasses import replace

import pytest

from cluster.collections.model import CollectionChanged
from cluster.collections.purge import TOMBSTONE_S, purge_tombstones
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import DeadlineExceeded
from deployments.search import point_loader
from deployments.search.searcher import CollectionSearcher
from tests.contract.collections.conftest import words
from tests.contract.search.searched import SearchedCollections, around, request_for


async def test_every_change_is_seen_by_the_next_search(searched: SearchedCollections) -> None:
    stored, made = searched.stored, await searched.stored.create()

    assert await searched.ids(made, "all", angle=0.0) == []
    await stored.put(made, around(3))
    assert await searched.ids(made, angle=0.0) == ["p000", "p001", "p002"]
    await stored.delete(made.id, "p000")
    await stored.put(made, around(1, first=7))
    assert await searched.ids(made, angle=0.0) == ["p001", "p002", "p007"]
    assert await searched.ids(made, "word7") == ["p007"]
    await stored.put(made, words("p001"))
    assert await searched.ids(made, angle=0.0) == ["p002", "p007"]
    assert await searched.ids(made, filter={"eq": {"id": "p001"}}, mode="match") == ["p001"]


async def test_hits_have_the_texts_and_payloads_of_the_store(searched: SearchedCollections) -> None:
    made = await searched.stored.create()
    await searched.stored.put(made, around(2))

    answer = await searched.search(made, "word1")
    bare = await searched.search(made, "word1", with_text=False, with_payload=False)

    hit = answer.hits[0]
    assert (hit.id, hit.text, hit.payload) == ("p001", "word1 all", {"n": 1})
    assert (bare.hits[0].text, bare.hits[0].payload) == ("", {})
    assert (answer.sequence, answer.matched, answer.is_exact) == (2, 2, True)


async def test_numbers_of_changes_without_points_are_not_asked_for_again(
    searched: SearchedCollections,
) -> None:
    made = await searched.stored.create()
    await searched.stored.put(made, around(2))
    await searched.stored.delete(made.id, "unknown", "other")

    assert (await searched.search(made, angle=0.0)).sequence == 4


async def test_a_replaced_point_never_answers_with_what_it_was(
    searched: SearchedCollections,
) -> None:
    """A request that is older than the change reads texts after it."""
    made = await searched.stored.create()
    await searched.stored.put(made, around(3))
    old = request_for(await searched.stored.get(made.id), "word1")
    await searched.searcher.search(old)

    await searched.stored.put(made, [replace(around(3)[1], text="other")])
    await searched.stored.delete(made.id, "p000")

    assert (await searched.searcher.search(old)).hits == ()
    everything = await searched.searcher.search(replace(old, text="all"))
    assert [hit.id for hit in everything.hits] == ["p002"]
    assert everything.sequence == 5


async def test_a_request_older_than_a_reindexing_is_refused(searched: SearchedCollections) -> None:
    stored, made = searched.stored, await searched.stored.create()
    await stored.put(made, around(2))
    before = request_for(await stored.get(made.id), "all")
    assert len((await searched.searcher.search(before)).hits) == 2

    async with stored.database.begin() as connection:
        begun = await stored.generations.begin(connection, "acme", made.id, "job")
    async with stored.database.begin() as connection:
        points = await stored.generations.changed(connection, begun, 0, 10)
        drafts = [replace(around(1)[0], id=point.id, text="anew") for point in points]
        copies = list(zip(points, drafts, strict=True))
        await stored.generations.copy(connection, begun, 0, copies)
    assert len((await searched.searcher.search(before)).hits) == 2, "not switched yet"
    async with stored.database.begin() as connection:
        assert await stored.generations.finish(connection, begun, "job", "other", 2)

    assert await searched.ids(made, "anew") == ["p000", "p001"]
    with pytest.raises(CollectionChanged):
        await searched.searcher.search(before)


@pytest.mark.parametrize("with_texts", [True, False])
async def test_who_has_missed_purged_tombstones_loads_anew(
    searched: SearchedCollections, clock: ManualClock, with_texts: bool
) -> None:
    """Also where the version was read before they were purged."""
    stored, made = searched.stored, await searched.stored.create()
    fields = {"with_text": with_texts, "with_payload": with_texts, "angle": 0.0}
    await stored.put(made, around(3))
    assert len(await searched.ids(made, **fields)) == 3
    await stored.delete(made.id, "p000", "p001")
    early = request_for(await stored.get(made.id), **fields)

    clock.advance(TOMBSTONE_S + 1)
    assert await purge_tombstones(stored.database.begin, clock.wall()) == 2

    assert [hit.id for hit in (await searched.searcher.search(early)).hits] == ["p002"]
    assert await searched.ids(made, **fields) == ["p002"]
    await stored.put(made, around(1))
    assert await searched.ids(made, **fields) == ["p000", "p002"]


async def test_a_collection_that_has_purged_tombstones_is_loaded_at_once(
    searched: SearchedCollections, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(point_loader, "READ_AT_ONCE", 2)
    stored, made = searched.stored, await searched.stored.create()
    await stored.put(made, around(9))
    await stored.delete(made.id, "p002", "p003")
    clock.advance(TOMBSTONE_S + 1)
    await purge_tombstones(stored.database.begin, clock.wall())

    assert len(await searched.ids(made, angle=0.0)) == 7


async def test_collections_leave_the_memory_when_others_need_it(
    searched: SearchedCollections,
) -> None:
    stored, made = searched.stored, [await searched.stored.create() for _ in range(4)]
    for each in made:
        await stored.put(each, around(50))
    small = CollectionSearcher(stored.database, max_bytes=45_000)

    for each in [*made, *made]:
        answer = await small.search(request_for(await stored.get(each.id), "all"))
        assert len(answer.hits) == 50
        assert small.loaded.nbytes <= 45_000

    assert 1 <= len(small.loaded) < 4
    assert small.figures.evictions >= 4
    assert small.loaded.points == 50 * len(small.loaded)
    await small.close()
    assert (small.loaded.nbytes, small.loaded.points) == (0, 0)


async def test_searches_beside_writes_see_what_was_written_before(
    searched: SearchedCollections,
) -> None:
    stored, made = searched.stored, await searched.stored.create()
    written: set[str] = set()
    deleted: set[str] = set()

    async def write() -> None:
        for at in range(0, 40, 2):
            drafts = around(2, first=at)
            await stored.put(made, drafts)
            written.update(each.id for each in drafts)
            if at % 8 == 0:
                await stored.delete(made.id, drafts[0].id)
                deleted.add(drafts[0].id)

    async def search(fields: dict[str, float]) -> None:
        while len(written) < 40:
            there, gone = written - deleted, set(deleted)
            request = request_for(await stored.get(made.id), "all", **fields)
            found = {hit.id for hit in (await searched.searcher.search(request)).hits}
            assert not found & gone
            assert there - deleted <= found

    await asyncio.gather(write(), search({"angle": 0.0}), search({}), search({"angle": 1.0}))


async def test_loads_of_others_keep_nobody_from_reading_changes(
    searched: SearchedCollections,
) -> None:
    made = await searched.stored.create()
    await searched.stored.put(made, around(2))
    await searched.ids(made, "all")
    loading = searched.searcher.loaded._loading
    while not loading.locked():
        await loading.acquire()

    await searched.stored.put(made, around(1, first=5))

    assert len(await searched.ids(made, "all", timeout_s=20.0)) == 3


async def test_a_search_ends_at_its_deadline_and_leaves_the_collection_usable(
    searched: SearchedCollections, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await searched.stored.create()
    await searched.stored.put(made, around(3))
    hold = asyncio.Event()
    texts = searched.searcher._loader.texts

    async def slow(*args: object) -> object:
        await hold.wait()
        return await texts(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(searched.searcher._loader, "texts", slow)
    with pytest.raises(DeadlineExceeded):
        await searched.search(made, "all", timeout_s=0.2)
    with pytest.raises(DeadlineExceeded):
        await searched.search(made, "all", timeout_s=0.0)
    hold.set()

    assert len(await searched.ids(made, "all")) == 3


async def test_nobody_waits_for_a_search_that_was_given_up(searched: SearchedCollections) -> None:
    made = await searched.stored.create()
    await searched.stored.put(made, around(30))
    given_up = asyncio.create_task(searched.search(made, angle=0.0))
    await asyncio.sleep(0)
    given_up.cancel()

    assert len(await searched.ids(made, angle=0.0)) == 30


async def test_a_deleted_collection_leaves_the_memory(searched: SearchedCollections) -> None:
    stored = searched.stored
    gone, kept = await stored.create(), await stored.create()
    for each in (gone, kept):
        await stored.put(each, around(2))
        await searched.ids(each, "all")
    async with stored.database.begin() as connection:
        await stored.collections.delete(connection, "acme", gone.id)

    assert await searched.searcher.sweeper.run_once() == 1

    assert searched.searcher.loaded.keys() == [("acme", kept.id)]


async def test_figures(searched: SearchedCollections) -> None:
    made = await searched.stored.create()
    await searched.stored.put(made, [*around(5), *words("w")])
    await searched.ids(made, "all", angle=0.0)
    await searched.stored.delete(made.id, "p001")
    await searched.ids(made, "all", angle=0.0)

    readings = {metric.name: samples for metric, samples in searched.searcher.read_metrics()}

    assert readings["mobula_search_points"] == [((), 5)]
    assert readings["mobula_search_collections"] == [((), 1)]
    assert readings["mobula_search_changes_total"] == [((), 7)]
    assert (("finished",), 2) in readings["mobula_search_queries_total"]
    assert readings["mobula_search_bytes"][0][1] > 500
