"""`mobula bench doors`: which calls belong to a request; every kind of chat is counted."""

import asyncio
from contextvars import Context
from pathlib import Path

import pytest

from load_tests.benchmarks.speed.bench_doors import CASES, measure
from load_tests.benchmarks.speed.call_counter import CallCounter, profile_calls


async def resumed() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def called() -> list[int]:
    return [number + 1 for number in range(3)]


async def test_a_coroutine_is_one_call_however_often_it_is_resumed() -> None:
    counter = CallCounter([Path(__file__).parent])
    with profile_calls(), counter.count():
        await resumed()
        called()
        called()

    assert (len(counter.functions), counter.calls, counter.file_changes) == (2, 3, 1)
    assert list(counter.files) == [__file__]


async def test_what_the_request_begins_counts_and_background_work_does_not() -> None:
    counter = CallCounter([Path(__file__).parent])
    with profile_calls():
        background = asyncio.create_task(resumed())
        with counter.count():
            detached = asyncio.get_running_loop().create_task(resumed(), context=Context())
            await asyncio.gather(asyncio.to_thread(called), detached, background)

    assert {code.co_name for code in counter.functions} == {"called", "resumed"}
    assert counter.calls == 2


async def test_code_of_other_folders_does_not_count(tmp_path: Path) -> None:
    counter = CallCounter([tmp_path])
    with profile_calls(), counter.count():
        called()

    assert counter.calls == 0


@pytest.mark.parametrize("limits", [False, True])
async def test_every_kind_of_chat_is_counted(tmp_path: Path, limits: bool) -> None:
    rows = await measure(tmp_path, rounds=3, limits=limits)

    assert [row.case for row in rows] == list(CASES)
    uncacheable, miss, hit, fast_hit = rows
    assert fast_hit.calls < hit.calls < min(uncacheable.calls, miss.calls)
    assert all(row.calls >= row.functions >= len(row.files) for row in rows)
    engine = "deployments/model/engines/echo.py"
    assert [engine in row.files for row in rows] == [True, True, False, False]
