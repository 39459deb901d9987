"""A tenant's files never take more than its plan, however many come at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cluster.blobs.errors import ReservationLost, StorageFull
from cluster.blobs.quota_reservation import KEPT_S
from cluster.blobs.store import BLOCK
from cluster.runtime.problems import NotFound
from tests.contract.blobs.desk import MB, TYPE, Desk, chunks


async def test_what_is_declared_over_the_plan_is_refused_before_a_byte_is_read(desk: Desk) -> None:
    desk.plan.storage_bytes = 1000
    await desk.files.put("acme", "a", b"x" * 400, TYPE, None)
    read = False

    async def never() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"x"

    with pytest.raises(StorageFull) as refused:
        await desk.files.put("acme", "b", never(), TYPE, None, length=601)

    assert not read
    assert refused.value.status == 429
    assert refused.value.extensions["storage_bytes"] == 1000
    assert refused.value.extensions["used_bytes"] == 400
    assert refused.value.headers["Retry-After"] == "3600"


async def test_what_streams_over_the_plan_is_refused_on_the_way_and_leaves_nothing(
    desk: Desk,
) -> None:
    desk.plan.storage_bytes = 3 * MB
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += BLOCK
            yield bytes(BLOCK)

    with pytest.raises(StorageFull):
        await desk.files.put("acme", "a", endless(), TYPE, None)

    assert sent == 4 * MB
    assert await desk.rows() == await desk.objects() == []


async def test_the_plan_can_be_filled_to_the_last_byte(desk: Desk) -> None:
    desk.plan.storage_bytes = 2 * MB + 1
    await desk.files.put("acme", "a", chunks(bytes(MB), bytes(MB)), TYPE, None)
    await desk.files.put("acme", "b", b"x", TYPE, None)

    with pytest.raises(StorageFull):
        await desk.files.put("acme", "c", b"x", TYPE, None)
    assert await desk.files.used("acme") == desk.plan.storage_bytes


async def test_another_tenants_files_do_not_count(desk: Desk) -> None:
    desk.plan.storage_bytes = 10
    await desk.files.put("acme-2", "a", b"x" * 10, TYPE, None)

    await desk.files.put("acme", "a", b"x" * 10, TYPE, None)


async def test_uploads_side_by_side_cannot_outgrow_the_plan(desk: Desk, second: Desk) -> None:
    desk.plan.storage_bytes = 5 * MB
    most = 0

    async def watched() -> AsyncIterator[bytes]:
        nonlocal most
        for _ in range(2):
            yield bytes(MB)
            most = max(most, await desk.files.used("acme"))

    async def upload(number: int) -> bool:
        files = (desk, second)[number % 2].files
        try:
            await files.put("acme", f"f/{number}", watched(), TYPE, None)
        except StorageFull:
            return False
        return True

    done = await asyncio.gather(*(upload(number) for number in range(10)))

    assert 1 <= sum(done) <= 2
    assert await desk.files.used("acme") == sum(done) * 2 * MB
    assert most <= desk.plan.storage_bytes
    assert len(await desk.objects()) == sum(done)


async def test_deleting_makes_room_at_once(desk: Desk) -> None:
    desk.plan.storage_bytes = 10
    await desk.files.put("acme", "a", b"x" * 10, TYPE, None)
    await desk.files.delete("acme", ["a"])

    await desk.files.put("acme", "b", b"x" * 10, TYPE, None)


async def test_an_upload_that_is_cancelled_leaves_nothing(desk: Desk) -> None:
    started = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield bytes(MB)
        started.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(desk.files.put("acme", "a", stuck(), TYPE, None))
    await started.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload

    assert await desk.rows() == await desk.objects() == []


async def test_a_slow_upload_keeps_its_room_as_long_as_bytes_come(desk: Desk) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(MB)
            desk.clock.advance(KEPT_S - 1)
            await desk.files.sweep()

    put = await desk.files.put("acme", "a", slow(), TYPE, None, length=4 * MB)

    assert put.bytes == len(await desk.content("acme", "a")) == 4 * MB


@pytest.mark.parametrize("after", [MB, 0], ids=["goes on", "ends"])
async def test_an_upload_that_stalls_too_long_loses_its_room_and_the_old_file_stays(
    desk: Desk, after: int
) -> None:
    await desk.files.put("acme", "a", b"old", TYPE, None)

    async def stalled() -> AsyncIterator[bytes]:
        yield bytes(MB)
        desk.clock.advance(KEPT_S + 1)
        await desk.files.sweep()
        yield bytes(after)

    with pytest.raises(ReservationLost):
        await desk.files.put("acme", "a", stalled(), TYPE, None)

    assert await desk.content("acme", "a") == b"old"
    assert len(await desk.objects()) == len(await desk.rows()) == 1


async def test_what_is_kept_too_late_is_gone_and_the_old_file_stays(desk: Desk) -> None:
    await desk.files.put("acme", "a", b"old", TYPE, None)
    staged = await desk.files.stage("acme", "a", b"new", TYPE, None)
    desk.clock.advance(KEPT_S + 1)
    await desk.files.sweep()

    with pytest.raises(ReservationLost):
        await desk.files.commit(staged)

    assert await desk.content("acme", "a") == b"old"
    assert len(await desk.objects()) == 1
    with pytest.raises(NotFound):
        await desk.files.stat("acme", "b")
