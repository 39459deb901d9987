"""Tasks in threads: answers, errors, and the end of one that nobody waits for."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deployments.sandbox import Cancelled
from deployments.sandbox.errors import MediaDamaged
from deployments.video.executor import ThreadTaskExecutor, gather_or_cancel

HERE = Path()


@pytest.fixture
async def executor() -> AsyncIterator[ThreadTaskExecutor]:
    executor = ThreadTaskExecutor()
    yield executor
    await executor.close()


def adding(a: int, b: int, cancel: Callable[[], bool]) -> int:
    assert not cancel()
    return a + b


def failing(cancel: Callable[[], bool]) -> None:
    raise MediaDamaged("No frame could be decoded.")


async def test_a_piece_answers_with_what_it_returns_or_raises(executor: ThreadTaskExecutor) -> None:
    assert await executor.run(HERE, adding, 1, 2) == 3
    with pytest.raises(MediaDamaged, match="No frame could be decoded"):
        await executor.run(HERE, failing)


async def test_a_piece_that_nobody_waits_for_ends_within_a_second(
    executor: ThreadTaskExecutor,
) -> None:
    running, over = threading.Event(), threading.Event()

    def endless(cancel: Callable[[], bool]) -> None:
        running.set()
        while not cancel():
            time.sleep(0.005)
        over.set()
        raise Cancelled

    task = asyncio.create_task(executor.run(HERE, endless))
    assert await asyncio.to_thread(running.wait, 5)
    task.cancel()
    began = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert asyncio.get_running_loop().time() - began < 1.0
    assert over.is_set()


async def test_pieces_run_side_by_side(executor: ThreadTaskExecutor) -> None:
    met = threading.Barrier(3)

    def meeting(cancel: Callable[[], bool]) -> int:
        return met.wait(5)

    assert sorted(await gather_or_cancel(*(executor.run(HERE, meeting) for _ in range(3)))) == [
        0,
        1,
        2,
    ]


async def test_answers_come_in_the_order_of_the_works() -> None:
    gate = asyncio.Event()

    async def first() -> str:
        await gate.wait()
        return "first"

    async def second() -> str:
        gate.set()
        return "second"

    assert await gather_or_cancel(first(), second()) == ["first", "second"]
    assert await gather_or_cancel() == []


async def test_the_first_error_ends_the_others_and_is_raised_as_it_is() -> None:
    ended: list[str] = []

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waiting")

    async def breaking() -> None:
        await asyncio.sleep(0)
        raise MediaDamaged("broken")

    with pytest.raises(MediaDamaged, match="broken") as raised:
        await gather_or_cancel(waiting(), breaking(), waiting())

    assert ended == ["waiting", "waiting"]
    assert raised.value.__cause__ is None


async def test_errors_of_groups_inside_groups_are_found() -> None:
    async def breaking() -> None:
        raise MediaDamaged("deep")

    async def nested() -> None:
        await gather_or_cancel(breaking(), breaking())

    with pytest.raises(MediaDamaged, match="deep"):
        await gather_or_cancel(nested())


async def test_cancelling_all_of_them_is_no_error_of_theirs() -> None:
    task = asyncio.create_task(gather_or_cancel(asyncio.sleep(60), asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
