"""Files go when their time is over; what a crash leaves goes too; nothing else does."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cluster.blobs import sweeper
from cluster.blobs.errors import BlobStoreUnavailable, ReservationLost
from cluster.blobs.paths import location, new_location
from cluster.blobs.store import BlobStore
from cluster.blobs.sweeper import CLAIM_S, ORPHAN_AGE_S
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import NotFound
from cluster.runtime.settings import ROOT
from cluster.storage.database import Database
from tests.contract.blobs.desk import TYPE, Desk

DAY = ORPHAN_AGE_S


async def test_an_expired_file_is_not_found_from_that_moment_and_then_swept(desk: Desk) -> None:
    await desk.files.put("acme", "a", b"x", TYPE, desk.clock.wall() + 60)
    await desk.files.put("acme", "b", b"x", TYPE, desk.clock.wall() + 61)
    await desk.files.put("acme", "c", b"x", TYPE, None)
    desk.clock.advance(60)

    with pytest.raises(NotFound):
        await desk.files.stat("acme", "a")
    assert (await desk.files.sweep()).expired == 1
    assert sorted(await desk.rows()) == [("acme", "b", 1), ("acme", "c", 1)]
    assert len(await desk.objects()) == 2


async def test_more_than_one_batch_is_swept_by_several_at_once_and_none_twice(
    desk: Desk, second: Desk
) -> None:
    staged = [await desk.files.stage("acme", "a", b"x", TYPE, None) for _ in range(25)]
    desk.clock.advance(1000)

    swept = await asyncio.gather(*(each.files.sweep() for each in (desk, second, desk, second)))

    assert sum(each.expired for each in swept) == len(staged)
    assert await desk.rows() == await desk.objects() == []


async def test_a_file_that_is_put_again_while_the_old_one_is_swept_stays(
    desk: Desk, second: Desk
) -> None:
    for turn in range(8):
        await desk.files.put("acme", "a", b"old", TYPE, desk.clock.wall())
        new = b"new %d" % turn

        await asyncio.gather(
            second.files.sweep(),
            desk.files.put("acme", "a", new, TYPE, None),
            second.files.sweep(),
        )

        assert await desk.content("acme", "a") == new
        await desk.files.sweep()
        assert await desk.content("acme", "a") == new
    assert len(await desk.objects()) == 1


async def test_bytes_that_could_not_be_deleted_are_deleted_later(
    database: Database, store: BlobStore, clock: ManualClock
) -> None:
    failing = Failing(store)
    desk = Desk(database, failing, clock)
    await desk.files.put("acme", "a", b"x", TYPE, None)
    failing.down = True

    with pytest.raises(BlobStoreUnavailable):
        await desk.files.delete("acme", ["a"])
    with pytest.raises(NotFound):
        await desk.files.stat("acme", "a")
    assert await desk.files.used("acme") == 0

    failing.down = False
    assert (await desk.files.sweep()).expired == 0  # whoever deletes it may still be at it
    clock.advance(CLAIM_S)
    assert (await desk.files.sweep()).expired == 1
    assert await desk.rows() == await desk.objects() == []


async def test_what_a_sweeper_has_claimed_can_not_be_kept_any_more(
    database: Database, store: BlobStore, clock: ManualClock
) -> None:
    failing = Failing(store)
    desk = Desk(database, failing, clock)
    await desk.files.put("acme", "a", b"old", TYPE, None)
    staged = await desk.files.stage("acme", "a", b"new", TYPE, None)
    clock.advance(1000)
    failing.down = True
    with pytest.raises(BlobStoreUnavailable):
        await desk.files.sweep()

    failing.down = False
    with pytest.raises(ReservationLost):
        await desk.files.commit(staged)

    assert await desk.content("acme", "a") == b"old"
    clock.advance(CLAIM_S)
    await desk.files.sweep()
    assert len(await desk.rows()) == len(await desk.objects()) == 1


async def test_bytes_without_a_row_go_when_they_are_a_day_old(desk: Desk) -> None:
    await desk.files.put("acme", "a", b"x", TYPE, None)
    stray = location("acme", new_location())
    for where in (stray, "t/acme/notes.txt", "elsewhere/x"):
        writing = desk.store.writing(where)
        await writing.write(b"stray")
        await writing.finish()

    desk.clock.advance(DAY - 60)
    assert (await desk.files.sweep()).orphans == 0
    desk.clock.advance(120)
    assert (await desk.files.sweep()).orphans == 1

    assert stray not in await desk.objects()
    assert "t/acme/notes.txt" in await desk.objects()
    assert await desk.content("acme", "a") == b"x"


async def test_what_is_deleted_in_a_transaction_goes_with_the_next_sweep(desk: Desk) -> None:
    await desk.files.put("acme", "a", b"x", TYPE, None)
    async with desk.database.begin() as connection:
        assert await desk.files.delete_under("acme", "b", connection) == 0
        assert await desk.files.delete("acme", ["a"], connection) == 1
    with pytest.raises(NotFound):
        await desk.files.stat("acme", "a")

    assert (await desk.files.sweep()).expired == 1
    assert await desk.objects() == []


async def test_sweeping_goes_on_by_itself_also_after_a_failure(
    database: Database, store: BlobStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "SWEEP_S", 0.01)
    failing = Failing(store)
    failing.down = True
    desk = Desk(database, failing, clock)
    await desk.files.put("acme", "a", b"x", TYPE, clock.wall())

    await desk.files.start()
    async with asyncio.timeout(60):
        await failing.refused.wait()
        failing.down = False
        clock.advance(CLAIM_S)
        while await desk.rows():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.01)
    await desk.files.close()

    assert await desk.objects() == []
    assert "files" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_bytes_without_a_row_are_looked_for_in_the_background_when_their_time_has_come(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "SWEEP_S", 0.01)
    writing = desk.store.writing(location("acme", new_location()))
    await writing.write(b"stray")
    await writing.finish()
    await desk.files.start()
    desk.clock.advance(DAY + 60)  # more than the time between two such sweeps

    async with asyncio.timeout(60):
        while await desk.objects():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.01)
    await desk.files.close()


_ENDLESS = """
import asyncio, sys
from cluster.blobs.files import TenantFiles
from cluster.blobs.store import BlobStore
from cluster.runtime.clock import SystemClock
from cluster.storage.database import Database
from cluster.tenants.plan import Plan

async def endless():
    for number in range(1_000_000):
        if number == 12:
            print("written", flush=True)
            await asyncio.Event().wait()
        yield bytes(1 << 20)

async def run(url, folder):
    plan = Plan(id="default")
    files = TenantFiles(Database(url), BlobStore(folder), SystemClock(), lambda _: plan)
    await files.stage("acme", "staged", b"x", "video/mp4", None)
    await files.put("acme", "a", endless(), "video/mp4", None)

asyncio.run(run(*sys.argv[1:]))
"""


@pytest.mark.parametrize("store", ["folder"], indirect=True)  # memory is gone with its process
async def test_what_a_killed_process_left_is_swept_away(
    desk: Desk, url: str, tmp_path: Path
) -> None:
    assert desk.store.folder is not None
    await desk.files.put("acme", "a", b"old", TYPE, None)
    command = [sys.executable, "-c", _ENDLESS, url, str(desk.store.folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == b"written\n"
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.communicate)
    files = _files(desk.store.folder)
    assert len(files) == 3
    assert len(await desk.rows()) == 3

    desk.clock.advance(DAY + 3600)
    await desk.files.sweep()

    assert len(_files(desk.store.folder)) == 1
    assert await desk.rows() == [("acme", "a", 3)]
    assert await desk.content("acme", "a") == b"old"


def _files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


class Failing(BlobStore):
    """The same store; while it is `down` nothing can be deleted."""

    def __init__(self, store: BlobStore) -> None:
        self.__dict__ |= store.__dict__
        self.down = False
        self.refused = asyncio.Event()

    async def delete(self, locations: Sequence[str]) -> None:
        if self.down:
            self.refused.set()
            raise BlobStoreUnavailable
        await super().delete(locations)
