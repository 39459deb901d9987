"""The lasting tier on a disk that rots, fills up or is taken away, and on storage that is away."""

import ctypes
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.runtime.clock import ManualClock
from deployments.cache.tiers.object_store_tier import CLOSE_S, PAUSE_S, ObjectStoreTier
from deployments.contracts.cache import TierUnavailable
from tests.contract.cache.on_disk import MB, TTL_S, Opening, files, key


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def prolong_its_life(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[8:16] = b"\x7f" + content[9:16]
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(flip_a_bit, id="bit"),
        pytest.param(prolong_its_life, id="expiry"),
        pytest.param(lambda file: os.truncate(file, file.stat().st_size - 1), id="truncated"),
        pytest.param(lambda file: os.truncate(file, 7), id="no-header"),
        pytest.param(lambda file: os.truncate(file, 0), id="empty"),
        pytest.param(lambda file: os.truncate(file, 100 * MB), id="huge"),
        pytest.param(lambda file: file.write_bytes(b"something else entirely"), id="foreign"),
    ],
)
async def test_a_corrupt_file_is_missing_and_dropped(
    opened: Opening, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    writer = opened()
    await writer.put(key(1), os.urandom(1000), TTL_S)
    await writer.flush()
    damage(files(tmp_path)[0])

    reader = opened()
    assert await reader.get(key(1)) is None
    assert reader.figures()["corrupt"] == 1
    assert files(tmp_path) == []
    await reader.put(key(1), b"new", TTL_S)
    await reader.flush()
    assert await reader.get(key(1)) == b"new"


async def test_what_a_killed_process_left_half_written_is_cleared(
    opened: Opening, tmp_path: Path
) -> None:
    half = tmp_path / "l3" / "ab" / ("ab" * 32 + "#1")
    fresh = half.with_name("cd" * 32 + "#1")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    fresh.write_bytes(b"being written")
    os.utime(half, (1, 1))

    archive = opened()
    await archive.put(key(1), b"sealed", TTL_S)
    await archive.flush()
    assert not half.exists()
    assert fresh.exists()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As on a full disk, writing fails midway."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_while_nothing_can_be_written_reading_goes_on_and_writing_pauses(
    archive: ObjectStoreTier, clock: ManualClock, tmp_path: Path
) -> None:
    await archive.put(key(0), b"small", TTL_S)
    await archive.flush()
    with largest_file(5000):
        for number in range(1, 4):
            await archive.put(key(number), bytes(100_000), TTL_S)
        await archive.flush()
        assert archive.figures()["errors"] == 3
        with pytest.raises(TierUnavailable):
            await archive.put(key(4), b"x", TTL_S)
        assert await archive.get(key(0)) == b"small"
        assert await archive.get(key(1)) is None

    clock.advance(PAUSE_S)
    await archive.put(key(5), bytes(100_000), TTL_S)
    await archive.flush()
    assert await archive.get(key(5)) == bytes(100_000)
    assert len(files(tmp_path)) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, where the tests may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, b"size=1m") != 0:
        pytest.skip("mounting is not permitted here")
    yield folder
    libc.umount2(bytes(folder), 2)


async def test_on_a_full_disk_requests_go_on(small_disk: Path, opened: Opening) -> None:
    archive = opened(str(small_disk / "l3"))
    for number in range(40):
        try:
            await archive.put(key(number), os.urandom(100_000), TTL_S)
        except TierUnavailable:
            break
        await archive.flush()

    assert archive.figures()["errors"] == 3
    assert archive.figures()["dropped"] == 3
    assert await archive.get(key(0)) is not None


async def test_a_folder_that_cannot_be_made_is_a_tier_that_is_down(opened: Opening) -> None:
    archive = opened("/proc/nowhere")

    for _ in range(3):
        with pytest.raises(TierUnavailable, match="Error"):
            await archive.get(key(1))
    with pytest.raises(TierUnavailable, match="breaker is open"):
        await archive.get(key(1))
    assert archive.figures()["errors"] == 3
    assert archive.figures()["refused"] == 1


async def test_a_folder_taken_away_comes_back_by_itself(
    archive: ObjectStoreTier, tmp_path: Path
) -> None:
    await archive.put(key(1), b"a", TTL_S)
    await archive.flush()
    shutil.rmtree(tmp_path / "l3")

    assert await archive.get(key(1)) is None
    await archive.put(key(1), b"b", TTL_S)
    await archive.flush()
    assert await archive.get(key(1)) == b"b"


async def test_object_storage_that_is_away_is_a_tier_that_is_down(
    opened: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    archive = opened("s3://bucket/answers")

    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(TierUnavailable):
            await archive.get(key(1))
    assert time.monotonic() - began < CLOSE_S
    with pytest.raises(TierUnavailable, match="breaker is open"):
        await archive.get(key(1))
