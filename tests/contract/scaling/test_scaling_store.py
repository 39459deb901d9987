"""Decisions and bounds in the store: pages, what goes when, whose bounds hold."""

from dataclasses import replace

import pytest

from cluster.autoscaling import store
from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.store import BoundsOverride
from cluster.runtime.problems import InvalidRequest
from cluster.storage.database import Database

CHAT, CODE = "Model:chat", "Model:org-code"
FIRST = Decision(CHAT, 100.0, 1, 1, 2, "queue", "12 open, 8 each", {"open": 12.0})


async def written(database: Database, *decisions: Decision) -> None:
    async with database.begin() as connection:
        rows = [store.to_row(f"{number:032}", each) for number, each in enumerate(decisions)]
        await store.write(connection, rows)


async def all_pages(database: Database, of: str | None, limit: int) -> list[list[Decision]]:
    pages, cursor = [], None
    while True:
        async with database.read() as connection:
            page = await store.read(connection, of, limit, cursor)
        pages.append(list(page.items))
        if (cursor := page.next) is None:
            return pages


async def laid_down(database: Database, *laid: BoundsOverride) -> list[BoundsOverride]:
    async with database.begin() as connection:
        for each in laid:
            await store.set_bounds(connection, each)
        return await store.bounds(connection)


async def test_a_decision_comes_back_as_it_was(database: Database) -> None:
    await written(database, FIRST)

    assert await all_pages(database, None, 10) == [[FIRST]]


async def test_pages_go_back_in_time_and_leave_nothing_out(database: Database) -> None:
    made = [replace(FIRST, at=100.0 + number // 3, target=number) for number in range(10)]
    await written(database, *made)

    pages = await all_pages(database, None, 4)

    assert [len(page) for page in pages] == [4, 4, 2]
    assert [each for page in pages for each in page] == made[::-1]


async def test_history_is_of_one_deployment_or_of_all(database: Database) -> None:
    other = replace(FIRST, deployment=CODE)
    await written(database, FIRST, other)

    assert await all_pages(database, CODE, 10) == [[other]]
    assert await all_pages(database, None, 10) == [[other, FIRST]]
    assert await all_pages(database, "Model:none", 10) == [[]]


async def test_a_cursor_that_is_none_of_ours_is_refused(database: Database) -> None:
    async with database.read() as connection:
        with pytest.raises(InvalidRequest) as refused:
            await store.read(connection, None, 10, "bm9uZQ")

    assert refused.value.param == "cursor"


async def test_what_is_written_again_is_there_once(database: Database) -> None:
    await written(database, FIRST)
    await written(database, replace(FIRST, reason="again"), replace(FIRST, at=101.0))

    assert [each.at for each in (await all_pages(database, None, 10))[0]] == [101.0, 100.0]
    assert (await all_pages(database, None, 10))[0][1].reason == FIRST.reason


async def test_what_a_store_would_refuse_is_left_out_or_cut(database: Database) -> None:
    odd = replace(
        FIRST,
        ready=2**40,
        reason="\x00\ud800" + "x" * 1000,
        bound="y" * 100,
        signals={"nan": float("nan"), "inf": float("-inf"), "open": 3},
    )
    await written(database, odd)

    [[found]] = await all_pages(database, None, 10)
    assert found.signals == {"open": 3.0}
    assert found.ready == 2**31 - 1
    assert found.reason.startswith("?x")
    assert (len(found.reason), len(found.bound)) == (500, 40)


async def test_old_decisions_and_those_beyond_the_newest_go(database: Database) -> None:
    mine = [replace(FIRST, at=float(at)) for at in range(100, 110)]
    theirs = [replace(FIRST, deployment=CODE, at=float(at)) for at in range(104, 106)]
    await written(database, *mine, *theirs)

    async with database.begin() as connection:
        gone = await store.prune(connection, before=103.0, most=3)

    assert gone == 7
    assert [each.at for each in (await all_pages(database, CHAT, 10))[0]] == [109.0, 108.0, 107.0]
    assert len((await all_pages(database, CODE, 10))[0]) == 2


async def test_bounds_take_the_place_of_those_before(database: Database) -> None:
    first = BoundsOverride(CHAT, Bounds(2, 5, 700.0), "key:a", 100.0)
    second = BoundsOverride(CHAT, Bounds(None, 3, None), "user:b", 200.0)
    other = BoundsOverride(CODE, Bounds(1), "key:a", 100.0)

    assert await laid_down(database, first, other) == [first, other]
    assert await laid_down(database, second) == [second, other]


async def test_bounds_are_taken_back_once(database: Database) -> None:
    await laid_down(database, BoundsOverride(CHAT, Bounds(2), "key:a", 100.0))

    async with database.begin() as connection:
        assert await store.clear_bounds(connection, CHAT)
        assert not await store.clear_bounds(connection, CHAT)
    assert await laid_down(database) == []


async def test_bounds_that_ended_long_ago_go_and_others_stay(database: Database) -> None:
    ended = BoundsOverride(CHAT, Bounds(2, until=50.0), "key:a", 1.0)
    lasting = BoundsOverride(CODE, Bounds(2), "key:a", 1.0)
    await laid_down(database, ended, lasting)

    async with database.begin() as connection:
        await store.prune(connection, before=51.0, most=10)

    assert await laid_down(database) == [lasting]
