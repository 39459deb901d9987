"""Files that come from, and go to, folders of this machine."""

import asyncio
import os
from pathlib import Path

import pytest

from cluster.runtime.problems import InvalidRequest, NotFound
from tests.contract.blobs.desk import MB, TYPE, Desk

DATA = b"0123456789" * (MB // 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job's private one."""
    made = tmp_path / "job"
    made.mkdir()
    return made


async def test_a_fetched_file_replaces_what_was_there_and_leaves_no_draft(
    desk: Desk, folder: Path
) -> None:
    await desk.files.put("acme", "a", DATA, TYPE, None)
    (folder / "source").write_bytes(b"old")

    await desk.files.fetch("acme", "a", folder / "source")

    assert (folder / "source").read_bytes() == DATA
    assert _names(folder) == ["source"]


async def test_a_folder_gives_its_own_bytes_without_copying_and_read_only(
    desk: Desk, folder: Path
) -> None:
    await desk.files.put("acme", "a", DATA, TYPE, None)
    await desk.files.fetch("acme", "a", folder / "source")

    if desk.store.folder is not None:
        (place,) = await desk.objects()
        assert (folder / "source").samefile(desk.store.folder / place)
        assert (folder / "source").stat().st_mode & 0o222 == 0


async def test_what_was_fetched_stays_when_the_file_is_deleted(desk: Desk, folder: Path) -> None:
    await desk.files.put("acme", "a", DATA, TYPE, None)
    await desk.files.fetch("acme", "a", folder / "source")
    await desk.files.delete("acme", ["a"])

    assert (folder / "source").read_bytes() == DATA


async def test_fetching_what_is_not_there_leaves_the_folder_as_it_was(
    desk: Desk, folder: Path
) -> None:
    await desk.files.put("acme", "a", DATA, TYPE, None)
    await desk.store.delete(await desk.objects())
    for path in ("a", "b"):
        with pytest.raises(NotFound):
            await desk.files.fetch("acme", path, folder / "source")
    assert _names(folder) == []


async def test_a_file_moves_in(desk: Desk, folder: Path) -> None:
    clip = folder / "clip.mp4"
    clip.write_bytes(DATA)
    number = clip.stat().st_ino

    kept = await desk.files.put_file("acme", "clips/1", clip, TYPE, None)

    assert await desk.content("acme", "clips/1") == DATA
    assert kept.bytes == await desk.files.used("acme") == len(DATA)
    assert _names(folder) == []
    if desk.store.folder is not None:
        (place,) = await desk.objects()
        assert (desk.store.folder / place).stat().st_ino == number


async def test_a_file_that_has_other_names_is_copied_so_that_nobody_can_change_it_later(
    desk: Desk, folder: Path
) -> None:
    clip, alias = folder / "clip.mp4", folder / "alias"
    clip.write_bytes(DATA)
    alias.hardlink_to(clip)

    await desk.files.put_file("acme", "clips/1", clip, TYPE, None)
    alias.write_bytes(b"changed")

    assert await desk.content("acme", "clips/1") == DATA


@pytest.mark.parametrize("what", ["symlink", "folder", "pipe"])
async def test_what_a_child_left_in_place_of_a_file_is_refused(
    desk: Desk, folder: Path, what: str
) -> None:
    secret = folder / "secret"
    secret.write_bytes(b"of another tenant")
    trap = folder / "clip.mp4"
    await asyncio.to_thread(_lay, trap, what, secret)

    for take in (desk.files.put_file, desk.files.put):
        with pytest.raises((InvalidRequest, IsADirectoryError)):
            await take("acme", "clips/1", trap, TYPE, None)

    assert await desk.rows() == await desk.objects() == []
    assert secret.exists()


def _lay(trap: Path, what: str, secret: Path) -> None:
    if what == "symlink":
        trap.symlink_to(secret)
    elif what == "folder":
        trap.mkdir()
    else:
        os.mkfifo(trap)


def _names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def test_a_file_that_does_not_fit_stays_where_it_is(desk: Desk, folder: Path) -> None:
    desk.plan.storage_bytes = 10
    clip = folder / "clip.mp4"
    clip.write_bytes(DATA)

    with pytest.raises(Exception, match="The plan stores 10 bytes"):
        await desk.files.put_file("acme", "clips/1", clip, TYPE, None)

    assert clip.read_bytes() == DATA
    assert await desk.rows() == await desk.objects() == []
