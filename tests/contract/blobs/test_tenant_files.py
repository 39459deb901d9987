"""What is put is what is read, by its tenant and by nobody else."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from cluster.blobs.errors import BlobStoreUnavailable
from cluster.blobs.files import StoredObject
from cluster.blobs.staging import Content
from cluster.runtime.problems import InvalidRequest, NotFound, PayloadTooLarge, Problem
from tests.contract.blobs.desk import MB, TYPE, Desk, chunks

DATA = Random(1).randbytes(2 * MB + 12_345)
AS_CHUNKS = [DATA[at : at + 70_001] for at in range(0, len(DATA), 70_001)]


def _file(folder: Path) -> Content:
    file = folder / "given"
    file.write_bytes(DATA)
    return file


@pytest.mark.parametrize(
    "given",
    [lambda _: DATA, _file, lambda _: chunks(*AS_CHUNKS), lambda _: chunks(b"", DATA, b"")],
    ids=["bytes", "file", "chunks", "one chunk"],
)
async def test_what_is_put_is_read_however_it_came(
    desk: Desk, tmp_path: Path, given: Callable[[Path], Content]
) -> None:
    put = await desk.files.put("acme", "a/b.mp4", given(tmp_path), TYPE, None)

    assert await desk.content("acme", "a/b.mp4") == DATA
    assert (put.bytes, put.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert put == await desk.files.stat("acme", "a/b.mp4")
    assert (put.media_type, put.created, put.expires) == (TYPE, desk.clock.wall(), None)
    assert await desk.files.used("acme") == len(DATA)


async def test_a_part_is_read_in_blocks(desk: Desk) -> None:
    await desk.files.put("acme", "a", DATA, TYPE, None)

    for start, end in [(0, 1), (5, 5), (MB - 1, MB + 1), (2 * MB, None), (len(DATA), None)]:
        blocks = [block async for block in await desk.files.open("acme", "a", start, end)]

        assert b"".join(blocks) == DATA[start:end]
        assert all(len(block) <= MB for block in blocks)


async def test_an_empty_file_is_a_file(desk: Desk) -> None:
    await desk.files.put("acme", "empty", chunks(), TYPE, None)

    assert await desk.content("acme", "empty") == b""
    assert (await desk.files.stat("acme", "empty")).sha256 == hashlib.sha256().hexdigest()


async def test_a_file_is_replaced_in_one_step_and_old_bytes_go_with_the_next_sweep(
    desk: Desk,
) -> None:
    old = await desk.files.put("acme", "a", b"old", TYPE, None)
    await desk.files.put("acme", "a", b"newer", TYPE, None)

    assert await desk.content("acme", "a") == b"newer"
    assert await desk.files.used("acme") == 5
    assert [block async for block in desk.files.read(old)] == [b"old"]
    await desk.files.sweep()
    assert len(await desk.objects()) == len(await desk.rows()) == 1
    with pytest.raises(NotFound):
        [block async for block in desk.files.read(old)]


async def test_tenants_do_not_see_each_others_files(desk: Desk, tmp_path: Path) -> None:
    await desk.files.put("acme", "a", b"of acme", TYPE, None)
    await desk.files.put("acme-2", "a", b"of the second", TYPE, None)

    refusals = []
    for path in ("a", "b"):
        for call in (desk.files.stat, desk.files.open):
            with pytest.raises(NotFound) as refused:
                await call("other", path)
            refusals.append(refused.value.detail.replace(f"'{path}'", "it"))
    with pytest.raises(NotFound):
        await desk.files.fetch("other", "a", tmp_path / "a")

    assert len(set(refusals)) == 1
    assert await desk.files.delete("other", ["a"]) == 0
    assert await desk.files.delete_under("other", "a") == 0
    assert await desk.content("acme", "a") == b"of acme"
    assert await desk.content("acme-2", "a") == b"of the second"


async def test_every_object_lies_under_its_tenants_folder(desk: Desk) -> None:
    for tenant in ("acme", "acme-2"):
        await desk.files.put(tenant, "a", b"x", TYPE, None)

    assert sorted(place.split("/")[:2] for place in await desk.objects()) == [
        ["t", "acme"],
        ["t", "acme-2"],
    ]


async def test_deleted_files_are_gone_with_their_bytes(desk: Desk) -> None:
    for path in ("a", "b", "c"):
        await desk.files.put("acme", path, b"12345", TYPE, None)

    assert await desk.files.delete("acme", ["a", "b", "never"]) == 2

    assert await desk.rows() == [("acme", "c", 5)]
    assert len(await desk.objects()) == 1
    with pytest.raises(NotFound):
        await desk.files.stat("acme", "a")


async def test_deleting_a_folder_takes_what_is_under_it_and_nothing_beside(desk: Desk) -> None:
    beside = ["jobs/1", "jobs/10/a", "JOBS/1/a", "jobs-1/a", "xjobs/1/a", "jobs/_/a"]
    for path in ("jobs/1/a", "jobs/1/b/c", *beside):
        await desk.files.put("acme", path, b"x", TYPE, None)
    await desk.files.put("acme-2", "jobs/1/a", b"x", TYPE, None)

    assert await desk.files.delete_under("acme", "jobs/1") == 2

    kept = sorted(await desk.rows())
    assert kept == sorted([("acme", path, 1) for path in beside] + [("acme-2", "jobs/1/a", 1)])


async def test_what_is_no_path_or_no_media_type_is_refused(desk: Desk, tmp_path: Path) -> None:
    path = "a/../../other/b"
    calls = [
        (lambda: desk.files.put("acme", path, b"", TYPE, None), "path"),
        (lambda: desk.files.stat("acme", path), "path"),
        (lambda: desk.files.open("acme", path), "path"),
        (lambda: desk.files.fetch("acme", path, tmp_path / "x"), "path"),
        (lambda: desk.files.delete("acme", [path]), "path"),
        (lambda: desk.files.delete_under("acme", ""), "path"),
        (lambda: desk.files.put("acme", "a", b"", "video", None), "media_type"),
        (lambda: desk.files.put("acme", "a", b"", "a/b\r\nx: y", None), "media_type"),
    ]
    for call, field in calls:
        with pytest.raises(InvalidRequest) as refused:
            await call()
        assert refused.value.param == field


async def test_a_file_over_its_own_limit_is_refused_and_leaves_nothing(desk: Desk) -> None:
    for content in (b"x" * 101, chunks(b"x" * 60, b"x" * 41)):
        with pytest.raises(PayloadTooLarge) as refused:
            await desk.files.put("acme", "a", content, TYPE, None, largest=100)
        assert refused.value.extensions["limit_bytes"] == 100
    assert await desk.rows() == await desk.objects() == []


async def test_an_unknown_tenant_can_store_nothing(desk: Desk) -> None:
    with pytest.raises(NotFound):
        await desk.files.put("nobody", "a", b"x", TYPE, None)
    assert await desk.objects() == []


async def test_bytes_that_vanished_are_not_found_rather_than_half_sent(desk: Desk) -> None:
    await desk.files.put("acme", "a", b"x", TYPE, None)
    await desk.store.delete(await desk.objects())

    with pytest.raises(NotFound):
        await desk.content("acme", "a")


@pytest.mark.parametrize("store", ["folder"], indirect=True)
async def test_a_store_that_cannot_be_used_is_a_problem_and_changes_nothing(desk: Desk) -> None:
    assert desk.store.folder is not None
    (desk.store.folder / "t").write_bytes(b"in the way")

    with pytest.raises(BlobStoreUnavailable) as refused:
        await desk.files.put("acme", "a", DATA, TYPE, None)

    assert refused.value.status == 503
    assert str(desk.store.folder) not in refused.value.detail
    assert await desk.files.used("acme") == 0


async def test_a_put_in_a_transaction_counts_once_it_commits(desk: Desk) -> None:
    async with desk.database.begin() as connection:
        kept = await desk.files.put("acme", "a", b"x", TYPE, None, connection=connection)
    with pytest.raises(Interrupted):
        await _put_and_delete_in_vain(desk)

    assert await desk.rows() == [("acme", "a", 1)]
    assert isinstance(kept, StoredObject)
    assert await desk.content("acme", "a") == b"x"


async def test_a_staged_file_is_named_in_the_callers_transaction(desk: Desk) -> None:
    staged = await desk.files.stage("acme", "a", b"x", TYPE, None)
    with pytest.raises(NotFound):
        await desk.files.stat("acme", "a")

    async with desk.database.begin() as connection:
        await desk.files.commit(staged, connection)

    assert await desk.content("acme", "a") == b"x"


async def _put_and_delete_in_vain(desk: Desk) -> None:
    async with desk.database.begin() as connection:
        await desk.files.put("acme", "b", b"x", TYPE, None, connection=connection)
        await desk.files.delete("acme", ["a"], connection)
        raise Interrupted("the caller's own failure")


class Interrupted(Problem):
    """Not of the files."""
