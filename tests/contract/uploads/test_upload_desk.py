"""Uploads in both stores: who writes, what counts, and what is left after each way to end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cluster.blobs.errors import StorageFull
from cluster.runtime.problems import Problem
from cluster.tenants.plan import MediaPlan, Plan
from deployments.sandbox.errors import MediaRefused, SandboxFailed
from deployments.video.catalog import VideoNotFound, objects_expire
from deployments.video.uploads.part_stream import Checksum
from deployments.video.uploads.repository import LIFE_S, LOCK_S
from deployments.video.uploads.upload import (
    ChecksumMismatch,
    OffsetMismatch,
    TooManyUploads,
    UploadGone,
    UploadLocked,
    UploadNotFound,
    UploadTooLong,
    video_id_of,
)
from tests.contract.uploads.upload_bench import Bench, chunks, failing

DATA = b"FILM" + bytes(range(200))


async def begin(bench: Bench, length: int = len(DATA), tenant: str = "acme") -> str:
    return (await bench.desk.create(tenant, "key", "talk", length, "name dGFsaw==")).id


async def test_what_was_created_is_what_is_found(bench: Bench) -> None:
    made = await bench.desk.create("acme", "key", "talk", 10, "name dGFsaw==")
    assert await bench.desk.get("acme", made.id) == made
    with pytest.raises(UploadNotFound):
        await bench.desk.get("other", made.id)


@pytest.mark.parametrize("cuts", [(204,), (1, 3, 200), (16, 16, 172), (15, 17, 172), (100, 104)])
async def test_bytes_are_the_same_whatever_pieces_they_came_in(
    bench: Bench, cuts: tuple[int, ...]
) -> None:
    upload, at = await begin(bench), 0
    for size in cuts:
        await bench.pieces(upload, at, *_split(DATA[at : at + size], 7))
        at += size

    found = await bench.desk.get("acme", upload)
    assert (found.state, found.received) == ("finishing", len(DATA))
    assert b"".join([block async for block in bench.desk.read(found)]) == DATA


async def test_a_whole_upload_becomes_one_video_and_its_pieces_go(bench: Bench) -> None:
    upload = await begin(bench)
    async with bench.desk.lock("acme", upload, 0) as hold:
        await bench.desk.append(hold, chunks(DATA))
        video = await bench.ingest.finish(hold)

    assert video.id == video_id_of(upload)
    assert await bench.videos.get("acme", video.id) == video
    assert (video.state, video.bytes) == ("ready", len(DATA))
    assert (await bench.files.stat("acme", video.path)).expires == objects_expire(video)
    assert await bench.files.used("acme") == len(DATA)
    found = await bench.desk.get("acme", upload)
    assert (found.state, found.video) == ("done", video.id)


async def test_of_many_who_want_to_write_one_does(bench: Bench, replica: Bench) -> None:
    upload = await begin(bench)
    all_tried = asyncio.Event()
    outcomes: list[str] = []

    def note(outcome: str) -> None:
        outcomes.append(outcome)
        if len(outcomes) == 8:
            all_tried.set()

    async def write(on: Bench) -> None:
        try:
            async with on.desk.lock("acme", upload, 0) as hold:
                note("held")
                await all_tried.wait()
                await on.desk.append(hold, chunks(DATA[:20]))
        except UploadLocked:
            note("locked")

    async with asyncio.timeout(60):
        await asyncio.gather(*(write(on) for on in [bench, replica] * 4))
    assert sorted(outcomes) == ["held"] + ["locked"] * 7
    assert (await bench.desk.get("acme", upload)).received == 20


async def test_a_writer_that_was_thought_dead_changes_nothing(bench: Bench, replica: Bench) -> None:
    upload = await begin(bench)

    async with bench.desk.lock("acme", upload, 0) as dead:
        bench.clock.advance(LOCK_S + 1)
        await replica.pieces(upload, 0, DATA[:30])
        with pytest.raises(UploadLocked):
            await bench.desk.append(dead, chunks(b"y" * 50))

    found = await bench.desk.get("acme", upload)
    assert found.received == 30
    assert b"".join([block async for block in bench.desk.read(found)]) == DATA[:30]


async def test_who_finishes_late_changes_nothing(bench: Bench, replica: Bench) -> None:
    upload = await begin(bench)
    async with bench.desk.lock("acme", upload, 0) as dead:
        await bench.desk.append(dead, chunks(DATA))
        bench.clock.advance(LOCK_S + 1)
        async with replica.desk.lock("acme", upload, len(DATA)) as hold:
            video = await replica.ingest.finish(hold)
        with pytest.raises(Problem):
            await bench.ingest.finish(dead)

    assert await bench.videos.get("acme", video.id) == video
    assert await bench.read(video.path) == DATA
    assert (await bench.desk.get("acme", upload)).state == "done"
    assert len((await bench.videos.page("acme")).items) == 1


async def test_an_upload_goes_on_only_where_it_ended(bench: Bench) -> None:
    upload = await begin(bench)
    await bench.pieces(upload, 0, DATA[:10])
    for offset in (0, 9, 11):
        with pytest.raises(OffsetMismatch) as refused:
            await bench.pieces(upload, offset, b"y")
        assert refused.value.extensions["offset"] == 10


async def test_slices_that_came_before_a_failure_are_kept(bench: Bench) -> None:
    upload = await begin(bench)

    async def breaking() -> AsyncIterator[bytes]:
        yield DATA[:40]
        raise ConnectionError

    async with bench.desk.lock("acme", upload, 0) as hold:
        with pytest.raises(ConnectionError):
            await bench.desk.append(hold, breaking())
    assert (await bench.desk.get("acme", upload)).received == 32


async def test_a_piece_is_not_what_its_checksum_says(bench: Bench) -> None:
    upload = await begin(bench)
    wrong = Checksum.of("sha1", b"other")
    for data in (DATA[:100], b""):
        async with bench.desk.lock("acme", upload, 0) as hold:
            with pytest.raises(ChecksumMismatch):
                await bench.desk.append(hold, chunks(data), wrong)
    assert (await bench.desk.get("acme", upload)).received == 0
    assert await bench.files.used("acme") == 0


async def test_bytes_over_the_length_are_refused(bench: Bench) -> None:
    upload = await begin(bench, 20)
    with pytest.raises(UploadTooLong):
        await bench.pieces(upload, 0, DATA[:21])
    assert (await bench.desk.get("acme", upload)).received <= 20


async def test_deleting_while_somebody_writes_leaves_nothing(bench: Bench) -> None:
    upload = await begin(bench)

    async def meanwhile() -> AsyncIterator[bytes]:
        yield DATA[:16]
        await bench.desk.delete("acme", upload)
        yield DATA[16:32]

    async with bench.desk.lock("acme", upload, 0) as hold:
        with pytest.raises(UploadLocked):
            await bench.desk.append(hold, meanwhile())
    with pytest.raises(UploadNotFound):
        await bench.desk.get("acme", upload)
    bench.clock.advance(3600.0)
    await bench.files.sweep()
    assert await bench.files.used("acme") == 0


async def test_what_is_no_recording_ends_the_upload_with_its_reason(bench: Bench) -> None:
    upload = await begin(bench, 5)
    async with bench.desk.lock("acme", upload, 0) as hold:
        await bench.desk.append(hold, chunks(b"notes"))
        with pytest.raises(MediaRefused):
            await bench.ingest.finish(hold)

    found = await bench.desk.get("acme", upload)
    assert found.state == "failed"
    assert found.problem is not None
    assert found.problem["slug"] == "media-refused"
    with pytest.raises(UploadGone):
        await bench.pieces(upload, 5)
    with pytest.raises(VideoNotFound):
        await bench.videos.get("acme", video_id_of(upload))
    assert await bench.files.used("acme") == 0


async def test_a_failure_of_ours_is_not_the_end_of_the_upload(bench: Bench) -> None:
    upload = await begin(bench)
    bench.look.failures.append(failing())
    async with bench.desk.lock("acme", upload, 0) as hold:
        await bench.desk.append(hold, chunks(DATA))
        with pytest.raises(SandboxFailed):
            await bench.ingest.finish(hold)

    async with bench.desk.lock("acme", upload, len(DATA)) as hold:
        assert (await bench.ingest.finish(hold)).state == "ready"


async def test_an_upload_that_there_is_no_room_to_join_waits_for_room(bench: Bench) -> None:
    """While its pieces become one file they take room twice."""
    other = await bench.files.put("acme", "other", b"x" * 200, "text/plain", None)
    upload = await begin(bench)
    await bench.pieces(upload, 0, DATA)
    bench.plan[0] = Plan(id="default", media=MediaPlan(storage_bytes=500))

    async with bench.desk.lock("acme", upload, len(DATA)) as hold:
        with pytest.raises(StorageFull):
            await bench.ingest.finish(hold)
    assert (await bench.desk.get("acme", upload)).state == "finishing"
    await bench.files.delete("acme", [other.path])
    async with bench.desk.lock("acme", upload, len(DATA)) as hold:
        assert (await bench.ingest.finish(hold)).state == "ready"


async def test_a_tenant_has_so_many_open_uploads_and_no_more(bench: Bench, replica: Bench) -> None:
    async def create(on: Bench) -> bool:
        try:
            await on.desk.create("acme", "key", "x", 10)
        except TooManyUploads:
            return False
        return True

    made = await asyncio.gather(*(create(on) for on in [bench, replica] * 4))
    assert sum(made) == 4
    await begin(bench, tenant="other")
    bench.clock.advance(LIFE_S + 1)
    await begin(bench)


async def test_uploads_past_their_time_are_swept_with_their_pieces(bench: Bench) -> None:
    upload = await begin(bench)
    await bench.pieces(upload, 0, DATA[:40])
    bench.clock.advance(LIFE_S + 1)
    with pytest.raises(UploadGone):
        await bench.desk.get_active("acme", upload)
    assert await bench.desk.sweep() == 0

    bench.clock.advance(LIFE_S)
    assert await bench.desk.sweep() == 1
    assert await bench.files.used("acme") == 0
    with pytest.raises(UploadNotFound):
        await bench.desk.get("acme", upload)


def _split(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
