"""Snapshots: a shard that starts again has what it had, and nothing that was deleted meanwhile."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.collections.model import Collection
from cluster.collections.purge import TOMBSTONE_S, purge_tombstones
from cluster.runtime.clock import ManualClock
from deployments.search import collection_index, snapshot_writer
from deployments.search.array_files import DESCRIPTION
from deployments.search.searcher import CollectionSearcher
from tests.contract.collections.conftest import words
from tests.contract.search.searched import SearchedCollections, around, request_for

pytestmark = pytest.mark.usefixtures("small_snapshots")


@pytest.fixture
def small_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_writer, "SNAPSHOT_POINTS", 50)
    monkeypatch.setattr(snapshot_writer, "PAUSE_S", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "search"


async def saved(searched: SearchedCollections, count: int = 60) -> Collection:
    """A collection with a snapshot."""
    made = await searched.stored.create()
    await searched.stored.put(made, around(count))
    await searched.stored.put(made, words("w1", "w2"))
    await searched.stored.delete(made.id, "p003")
    await searched.search(made, "all", angle=0.1)
    await finished(searched.searcher)
    return made


async def finished(searcher: CollectionSearcher) -> None:
    for loaded in searcher.loaded._loaded.values():
        build = loaded.build
        if build is not None:
            await build.finished()
    assert searcher.snapshots is not None
    await searcher.snapshots.finished()


def kept(folder: Path, id: str) -> list[str]:
    return sorted(path.name for path in (folder / id).glob("*"))


async def test_a_restarted_searcher_answers_the_same_and_reads_only_changes(
    searched: SearchedCollections, folder: Path
) -> None:
    stored, made = searched.stored, await saved(searched)
    await stored.put(made, around(1, first=200))
    await stored.delete(made.id, "p001")
    fields = ({"angle": 0.1}, {"text": "all"}, {"text": "word7", "angle": 0.3})
    now = await stored.get(made.id)
    requests = [
        request_for(now, **each, filter=filter)  # type: ignore[arg-type]
        for each in fields
        for filter in (None, {"eq": {"n": 1}})
    ]
    before = [await searched.searcher.search(each) for each in requests]

    again = CollectionSearcher(stored.database, folder=folder)
    after = [await again.search(each) for each in requests]

    assert after == before
    assert again.figures.changes == 2
    await again.search(requests[0])
    await stored.put(made, around(3, first=300))
    assert len((await again.search(request_for(await stored.get(made.id), "all"))).hits) == 62
    await again.close()


async def test_the_approximate_index_is_in_the_snapshot(
    searched: SearchedCollections, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection_index, "EXACT_ROWS", 100)
    stored, made = searched.stored, await saved(searched, 600)
    request = request_for(await stored.get(made.id), angle=0.2, limit=5)
    before = await searched.searcher.search(request)
    assert not before.is_exact

    again = CollectionSearcher(stored.database, folder=folder)

    assert await again.search(request) == before
    assert again.figures.approximate == 1
    await stored.delete(made.id, before.hits[0].id)
    later = await again.search(replace(request_for(await stored.get(made.id), angle=0.2), limit=4))
    assert [hit.id for hit in later.hits] == [hit.id for hit in before.hits[1:]]
    await again.close()


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing", "no description", "no folder"])
async def test_a_damaged_snapshot_is_not_used(
    searched: SearchedCollections, folder: Path, damage: str
) -> None:
    made = await saved(searched)
    snapshot = next((folder / made.id).iterdir())
    victim = snapshot / "vectors"
    content = bytearray(victim.read_bytes())
    if damage == "cut":
        victim.write_bytes(content[:-4])
    elif damage == "flipped":
        content[9] ^= 4
        victim.write_bytes(content)
    elif damage == "missing":
        (snapshot / "ids").unlink()
    elif damage == "no description":
        (snapshot / DESCRIPTION).write_text('{"content": 7}')
    else:
        shutil.rmtree(folder)

    again = CollectionSearcher(searched.stored.database, folder=folder)
    answer = await again.search(request_for(await searched.stored.get(made.id), "all"))

    assert len(answer.hits) == 59
    assert again.figures.changes == 62
    await again.close()


async def test_snapshots_from_before_purged_tombstones_are_not_used(
    searched: SearchedCollections, folder: Path, clock: ManualClock
) -> None:
    stored, made = searched.stored, await saved(searched)
    await stored.delete(made.id, "p000")
    early = request_for(await stored.get(made.id), "all", with_text=False, with_payload=False)
    clock.advance(TOMBSTONE_S + 1)
    await purge_tombstones(stored.database.begin, clock.wall())

    for request in (early, request_for(await stored.get(made.id), "all")):
        again = CollectionSearcher(stored.database, folder=folder)
        found = {hit.id for hit in (await again.search(request)).hits}
        assert len(found) == 58
        assert "p000" not in found
        await again.close()


async def test_the_sweep_leaves_only_snapshots_that_are_of_use(
    searched: SearchedCollections, folder: Path, clock: ManualClock
) -> None:
    stored = searched.stored
    purged, gone = await saved(searched), await saved(searched)
    assert all(len(kept(folder, each.id)) == 1 for each in (purged, gone))
    await stored.delete(purged.id, "p000")
    clock.advance(TOMBSTONE_S + 1)
    await purge_tombstones(stored.database.begin, clock.wall())
    async with stored.database.begin() as connection:
        await stored.collections.delete(connection, "acme", gone.id)

    await searched.searcher.sweeper.run_once()

    assert kept(folder, purged.id) == []
    assert not (folder / gone.id).exists()


async def test_many_changes_make_a_new_snapshot_and_few_do_not(
    searched: SearchedCollections, folder: Path
) -> None:
    made = await saved(searched)
    first = kept(folder, made.id)
    await searched.stored.put(made, words("w3"))
    await searched.search(made, "all")
    await finished(searched.searcher)
    assert kept(folder, made.id) == first

    await searched.stored.put(made, around(9, first=400))
    await searched.search(made, "all")
    await finished(searched.searcher)

    second = kept(folder, made.id)
    assert len(second) == 1
    assert second != first


async def test_nothing_of_deleted_points_is_in_it(
    searched: SearchedCollections, folder: Path
) -> None:
    stored, made = searched.stored, await stored_secret(searched)
    await stored.delete(made.id, "secret")
    await searched.search(made, "all")
    await finished(searched.searcher)

    files = [path.read_bytes() for path in (folder / made.id).rglob("*") if path.is_file()]
    assert files
    assert not any(b"secret" in each for each in files)
    modes = {path.stat().st_mode & 0o077 for path in (folder / made.id).iterdir()}
    assert modes == {0}


async def stored_secret(searched: SearchedCollections) -> Collection:
    made = await searched.stored.create()
    await searched.stored.put(made, [replace(words("secret")[0], text="all"), *around(60)])
    await searched.search(made, "all")
    await finished(searched.searcher)
    await searched.stored.put(made, around(20, first=500))
    return made


async def test_what_is_due_later_is_written_by_the_sweep(
    searched: SearchedCollections, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await saved(searched)
    first = kept(folder, made.id)
    with monkeypatch.context() as patch:
        patch.setattr(snapshot_writer, "PAUSE_S", 1_000.0)
        await searched.stored.put(made, around(9, first=400))
        await searched.search(made, "all")
        await finished(searched.searcher)
        assert kept(folder, made.id) == first

    await searched.searcher.sweeper.run_once()
    await finished(searched.searcher)

    assert kept(folder, made.id) != first


async def test_small_collections_have_none(searched: SearchedCollections, folder: Path) -> None:
    made = await searched.stored.create()
    await searched.stored.put(made, around(40))
    await searched.search(made, "all")
    await finished(searched.searcher)

    assert kept(folder, made.id) == []
