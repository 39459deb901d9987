"""What waits to be written: bounded, replaced, taken back, and let go of in the end."""

import asyncio

from deployments.cache.tiers.write_behind import AT_ONCE, WriteBehind


class Slow:
    """A place that writes when it is told to."""

    def __init__(self, limit_bytes: int = 1000) -> None:
        self.held: dict[bytes, bytes] = {}
        self.writing = 0
        self.begun = asyncio.Event()
        self.may_write = asyncio.Event()
        self.queue = WriteBehind(self._write, self._undo, limit_bytes)

    async def _write(self, key: bytes, blob: bytes) -> None:
        self.writing += 1
        self.begun.set()
        await self.may_write.wait()
        self.writing -= 1
        self.held[key] = blob

    async def _undo(self, key: bytes) -> None:
        self.held.pop(key, None)


async def test_what_waits_can_be_read() -> None:
    slow = Slow()
    assert slow.queue.put(b"k", b"v")
    await slow.begun.wait()

    assert slow.queue.get(b"k") == b"v"
    slow.may_write.set()
    await slow.queue.flush()
    assert slow.queue.get(b"k") is None
    assert slow.held == {b"k": b"v"}


async def test_there_is_room_for_so_many_bytes_and_again_once_they_are_written() -> None:
    slow = Slow(limit_bytes=10)
    assert slow.queue.put(b"a", bytes(6))
    assert not slow.queue.put(b"b", bytes(5))
    assert slow.queue.put(b"a", bytes(10))

    slow.may_write.set()
    await slow.queue.flush()
    assert slow.queue.put(b"b", bytes(10))
    await slow.queue.flush()
    assert set(slow.held) == {b"a", b"b"}


async def test_what_replaces_a_blob_that_is_being_written_is_written_after_it() -> None:
    slow = Slow()
    slow.queue.put(b"k", b"old")
    await slow.begun.wait()
    slow.queue.put(b"k", b"new")

    slow.may_write.set()
    await slow.queue.flush()
    assert slow.held == {b"k": b"new"}


async def test_what_is_dropped_while_it_is_written_is_taken_back() -> None:
    slow = Slow()
    slow.queue.put(b"k", b"v")
    await slow.begun.wait()
    slow.queue.drop(b"k")

    slow.may_write.set()
    await slow.queue.flush()
    assert slow.held == {}


async def test_only_a_few_are_written_at_once() -> None:
    slow = Slow()
    for number in range(3 * AT_ONCE):
        slow.queue.put(bytes([number]), b"v")
    await slow.begun.wait()
    for _ in range(10):
        await asyncio.sleep(0)

    assert slow.writing == AT_ONCE
    slow.may_write.set()
    await slow.queue.flush()
    assert len(slow.held) == 3 * AT_ONCE


async def test_closing_gives_up_on_a_place_that_never_writes() -> None:
    slow = Slow()
    slow.queue.put(b"k", b"v")

    await slow.queue.close(patience_s=0.01)
    await slow.queue.flush()
    assert slow.held == {}
