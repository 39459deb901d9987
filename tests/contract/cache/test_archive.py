"""The lasting tier on a real disk: that survives, dies in time, stays bounded, and is shared."""

import asyncio
import os
from pathlib import Path

import pytest
from obstore.exceptions import BaseError

from cluster.runtime.clock import ManualClock
from deployments.cache.codec import AesGcmCodec
from deployments.cache.tiers.object_store_tier import LONGEST_TTL_S, ObjectStoreTier
from deployments.contracts.cache import Entry, Ttls
from tests.contract.cache.on_disk import MB, TTL_S, Opening, files, key


async def test_what_was_put_is_there_at_once_and_after_a_restart(opened: Opening) -> None:
    first = opened()
    await first.put(key(1), b"sealed", TTL_S)
    assert await first.get(key(1)) == b"sealed"
    await first.close()

    assert await opened().get(key(1)) == b"sealed"


async def test_a_missing_key_is_none(archive: ObjectStoreTier) -> None:
    assert await archive.get(key(1)) is None
    assert archive.figures()["errors"] == 0


async def test_the_last_put_of_a_key_stays(archive: ObjectStoreTier) -> None:
    for value in (b"a", b"b", b"c"):
        await archive.put(key(1), value, TTL_S)
    await archive.flush()

    assert await archive.get(key(1)) == b"c"


async def test_what_is_removed_while_it_is_written_stays_removed(
    archive: ObjectStoreTier, tmp_path: Path
) -> None:
    for number in range(20):
        await archive.put(key(number), os.urandom(MB), TTL_S)
    await asyncio.sleep(0)
    for number in range(20):
        await archive.remove(key(number))
    await archive.flush()

    assert files(tmp_path) == []


@pytest.mark.parametrize("size", [1 * MB, 5 * MB])
async def test_large_answers_survive(opened: Opening, size: int) -> None:
    body = os.urandom(size)
    sealer = AesGcmCodec(b"secret")
    entry = Entry("acme", "nano", 1, 1.7e9, 0.1, Ttls(1.0, 2.0, 3.0), body)
    archive = opened()
    await archive.put(key(1), sealer.encrypt(key(1), entry), TTL_S)
    await archive.flush()

    assert sealer.decrypt(key(1), await opened().get(key(1)) or b"") == entry


async def test_an_answer_dies_with_its_time_and_leaves_the_disk(
    archive: ObjectStoreTier, clock: ManualClock, tmp_path: Path
) -> None:
    await archive.put(key(1), b"sealed", 60.0)
    await archive.flush()
    clock.advance(59.9)
    assert await archive.get(key(1)) == b"sealed"

    clock.advance(0.2)
    assert await archive.get(key(1)) is None
    assert files(tmp_path) == []
    assert archive.figures()["expired"] == 1


async def test_the_oldest_go_first_and_the_size_stays_bounded(
    opened: Opening, tmp_path: Path
) -> None:
    archive = opened(max_bytes=MB)
    for number in range(200):
        await archive.put(key(number), os.urandom(10_000), TTL_S)
        await archive.flush()
        assert sum(file.stat().st_size for file in files(tmp_path)) <= MB

    assert await archive.get(key(0)) is None
    assert await archive.get(key(199)) is not None
    figures = archive.figures()
    held = files(tmp_path)
    assert figures["entries"] == len(held) == 200 - figures["evictions"]
    assert figures["bytes"] == sum(file.stat().st_size for file in held)


async def test_processes_that_share_a_folder_bound_it_together(
    opened: Opening, tmp_path: Path
) -> None:
    sharing = [opened(max_bytes=MB) for _ in range(4)]
    for number in range(100):
        for at, archive in enumerate(sharing):
            await archive.put(key(4 * number + at), os.urandom(10_000), TTL_S)
        await asyncio.gather(*(archive.flush() for archive in sharing))
        assert sum(file.stat().st_size for file in files(tmp_path)) <= MB + 4 * 10_016

    assert await sharing[0].get(key(399)) is not None
    assert all(archive.figures()["errors"] == 0 for archive in sharing)


async def test_what_lies_there_at_the_start_is_bounded_too(opened: Opening, tmp_path: Path) -> None:
    before = opened()
    for number in range(300):
        await before.put(key(number), os.urandom(10_000), TTL_S)
    await before.flush()

    smaller = opened(max_bytes=MB)
    await smaller.put(key(1000), b"one more", TTL_S)
    await smaller.flush()
    assert sum(file.stat().st_size for file in files(tmp_path)) <= MB
    assert await smaller.get(key(1000)) == b"one more"


async def test_nothing_outlives_the_longest_life_on_the_disk(
    opened: Opening, clock: ManualClock, tmp_path: Path
) -> None:
    first = opened()
    await first.put(key(1), b"never asked for again", 10 * LONGEST_TTL_S)
    await first.flush()
    (old,) = files(tmp_path)
    born = clock.wall() - LONGEST_TTL_S - 1
    os.utime(old, (born, born))

    second = opened()
    await second.put(key(2), b"sealed", TTL_S)
    await second.flush()
    assert not old.exists()
    assert await second.get(key(2)) == b"sealed"


async def test_puts_never_wait_and_what_is_too_much_is_dropped(opened: Opening) -> None:
    archive = opened(pending_bytes=10_000)
    for number in range(20):
        await archive.put(key(number), bytes(1000), TTL_S)

    assert archive.figures()["dropped"] == 11
    await archive.flush()
    assert await archive.get(key(8)) == bytes(1000)
    assert await archive.get(key(9)) is None


async def test_an_answer_larger_than_an_eighth_of_the_room_is_dropped(opened: Opening) -> None:
    archive = opened(max_bytes=8000)
    await archive.put(key(1), bytes(1001), TTL_S)

    assert archive.figures()["dropped"] == 1


async def test_a_folder_may_be_named_by_url(opened: Opening, tmp_path: Path) -> None:
    archive = opened(f"file://{tmp_path}/l3")
    await archive.put(key(1), b"sealed", TTL_S)
    await archive.flush()

    assert len(files(tmp_path)) == 1
    assert await opened().get(key(1)) == b"sealed"


async def test_any_store_that_obstore_knows_will_do(opened: Opening) -> None:
    archive = opened("memory:///", max_bytes=MB)
    for number in range(200):
        await archive.put(key(number), os.urandom(10_000), TTL_S)
        await archive.flush()

    assert await archive.get(key(0)) is None
    assert len(await archive.get(key(199)) or b"") == 10_000
    assert archive.figures()["bytes"] <= MB


def test_a_place_that_nobody_knows_is_refused_at_the_start(clock: ManualClock) -> None:
    with pytest.raises(BaseError, match="recognise"):
        ObjectStoreTier("s4://bucket/answers", MB, clock)
