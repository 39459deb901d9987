"""The ledger is exact: beside other ledgers, through outages and repeats, across midnight."""

import asyncio
import errno
import os
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest
from cluster.storage.database import Database
from cluster.storage.tables import usage_batches
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage import journal as journal_module
from cluster.usage import ledger as ledger_module
from cluster.usage.entries import UsageEntry
from cluster.usage.increments import PRUNE_EVERY
from cluster.usage.ledger import Ledger
from cluster.usage.report import UsageRow, budget_used, usage_report

DAY = "2023-11-14"  # of ManualClock's beginning, 22:13:20 UTC
ALWAYS = ("2023-01-01", "2024-01-01")


def entry(clock: ManualClock, tenant: str = "acme", **fields: object) -> UsageEntry:
    return UsageEntry(clock.wall(), tenant, "abc", "nano", **{"amounts": UsageAmounts(), **fields})  # type: ignore[arg-type]


async def report(database: Database, tenant: str | None, *group_by: str) -> list[UsageRow]:
    async with database.read() as connection:
        return await usage_report(connection, tenant, *ALWAYS, group_by)


async def tokens(database: Database, tenant: str) -> int:
    async with database.read() as connection:
        return await budget_used(connection, tenant, Unit.TOKENS, *ALWAYS)


async def test_ledgers_beside_each_other_add_up_to_the_unit(
    database: Database, clock: ManualClock
) -> None:
    ledgers = [Ledger(database, f"ingress-{number}", clock) for number in range(4)]
    expected = {f"tenant-{number}": 0 for number in range(7)}
    source = random.Random(5)

    async def work(ledger: Ledger) -> None:
        for _ in range(10):
            for _ in range(50):
                tenant = source.choice(list(expected))
                amounts = UsageAmounts(source.randrange(500), source.randrange(90))
                expected[tenant] += amounts.tokens
                ledger.add(entry(clock, tenant, amounts=amounts, cost_units=3))
            assert await ledger.flush()

    await asyncio.gather(*(work(ledger) for ledger in ledgers))
    for ledger in ledgers:
        await ledger.close()

    assert {tenant: await tokens(database, tenant) for tenant in expected} == expected
    (total,) = await report(database, None)
    assert total.amounts[Unit.REQUESTS] == 4 * 10 * 50
    assert total.amounts[Unit.COST_UNITS] == 3 * 4 * 10 * 50


async def test_a_batch_whose_commit_was_not_answered_counts_once(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(database, "ingress", clock)
    ledger.add(entry(clock, amounts=UsageAmounts(10, 5)))
    applied = ledger._apply

    async def applied_but_not_answered() -> bool:
        await applied()
        return False

    monkeypatch.setattr(ledger, "_apply", applied_but_not_answered)
    assert not await ledger.flush()
    ledger.add(entry(clock, amounts=UsageAmounts(100, 50)))
    monkeypatch.undo()
    assert await ledger.flush()

    assert await tokens(database, "acme") == 165


async def test_nothing_is_lost_while_the_store_is_down(
    database: Database, clock: ManualClock, unreachable: Callable[[], Database]
) -> None:
    ledger = Ledger(unreachable(), "ingress", clock)
    for _ in range(5):
        ledger.add(entry(clock, amounts=UsageAmounts(1, 1)))
        assert not await ledger.flush()

    ledger._database = database
    await ledger.close()
    assert await tokens(database, "acme") == 10


async def test_it_tells_how_long_usage_has_waited_for_the_store(
    database: Database, clock: ManualClock, unreachable: Callable[[], Database]
) -> None:
    ledger = Ledger(unreachable(), "ingress", clock)
    clock.advance(100.0)
    assert await ledger.flush()
    assert ledger.unwritten_s == 0.0

    ledger.add(entry(clock, amounts=UsageAmounts(1, 1)))
    clock.advance(30.0)
    assert not await ledger.flush()
    assert ledger.unwritten_s == 30.0

    ledger._database = database
    assert await ledger.flush()
    assert ledger.unwritten_s == 0.0


async def test_a_clean_close_writes_everything(database: Database, clock: ManualClock) -> None:
    ledger = Ledger(database, "ingress", clock)
    await ledger.start()
    ledger.add(entry(clock, amounts=UsageAmounts(7)))
    await ledger.close()
    assert await tokens(database, "acme") == 7


async def test_a_close_without_a_store_says_what_it_could_not_write(
    clock: ManualClock,
    unreachable: Callable[[], Database],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ledger_module, "CLOSE_S", 0.05)
    ledger = Ledger(unreachable(), "ingress", clock)
    ledger.add(entry(clock, amounts=UsageAmounts(7)))
    await ledger.close()
    assert "'input_tokens', 7" in caplog.text


class Interrupted:
    """A store whose transactions fail as often as it is told, before they begin."""

    def __init__(self, database: Database, *fails: bool) -> None:
        self.database, self.fails = database, list(fails)

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        if self.fails and self.fails.pop(0):
            raise OSError(errno.ECONNRESET, "gone")
        return self.database.begin()


async def test_a_store_that_goes_between_two_batches_of_a_flush_gets_the_second_one_later(
    database: Database, clock: ManualClock
) -> None:
    ledger = Ledger(database, "ingress", clock)
    ledger._database = Interrupted(database, True, False, True)  # type: ignore[assignment]
    ledger.add(entry(clock, amounts=UsageAmounts(1)))
    assert not await ledger.flush()
    ledger.add(entry(clock, amounts=UsageAmounts(2)))

    assert not await ledger.flush()
    assert await tokens(database, "acme") == 1
    assert await ledger.flush()
    assert await tokens(database, "acme") == 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "usage"


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def kill(ledger: Ledger) -> None:
    """What is left of a killed process: its files, without their locks."""
    assert ledger._journal is not None
    ledger._journal.close()


async def test_what_a_killed_process_had_not_stored_is_written_by_the_next_one(
    database: Database, clock: ManualClock, folder: Path
) -> None:
    killed = Ledger(database, "ingress", clock, folder)
    killed.add(entry(clock, amounts=UsageAmounts(100)))
    await killed.flush()
    killed.add(entry(clock, amounts=UsageAmounts(1), prices={Unit.TOKENS: 5}, cost_units=4))
    killed.add(entry(clock, amounts=UsageAmounts(2), prices={Unit.TOKENS: 5}))
    kill(killed)
    assert await tokens(database, "acme") == 100

    for _ in range(2):
        following = Ledger(database, "ingress", clock, folder)
        await following.start()
        await following.close()

    (row,) = await report(database, "acme")
    assert row.amounts[Unit.INPUT_TOKENS] == 103
    assert row.amounts[Unit.REQUESTS] == 3
    assert (row.amounts[Unit.COST_UNITS], row.revenue) == (4, 0)
    assert files(folder) == []


@pytest.mark.parametrize("stored", [0, 1, 2, 70])
async def test_a_batch_that_was_stored_before_the_kill_counts_once(
    database: Database, clock: ManualClock, folder: Path, stored: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The process is killed between the commit and the removal of its file."""
    killed = Ledger(database, "ingress", clock, folder)
    monkeypatch.setattr(killed._journal, "committed", lambda batch: None)
    for _ in range(stored):
        killed.add(entry(clock, amounts=UsageAmounts(10)))
        await killed.flush()
    killed.add(entry(clock, amounts=UsageAmounts(1)))
    kill(killed)

    following = Ledger(database, "ingress", clock, folder)
    await following.start()
    await following.close()

    assert await tokens(database, "acme") == 10 * stored + 1


async def test_the_files_of_a_living_process_are_left_to_it(
    database: Database, clock: ManualClock, folder: Path
) -> None:
    living = Ledger(database, "ingress", clock, folder)
    living.add(entry(clock, amounts=UsageAmounts(7)))
    other = Ledger(database, "ingress", clock, folder)
    await other.start()
    await other.close()
    assert await tokens(database, "acme") == 0

    await living.close()
    assert await tokens(database, "acme") == 7


async def test_while_the_store_is_down_the_files_wait_for_a_later_start(
    database: Database, clock: ManualClock, folder: Path, unreachable: Callable[[], Database],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(ledger_module, "CLOSE_S", 0.05)
    killed = Ledger(database, "ingress", clock, folder)
    killed.add(entry(clock, amounts=UsageAmounts(7)))
    kill(killed)
    for store in (unreachable(), database):
        following = Ledger(store, "ingress", clock, folder)
        await following.start()
        await following.close()

    assert await tokens(database, "acme") == 7


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda text: text[:-5], id="its end"),
        pytest.param(lambda text: text[:-12] + b"\0" * 7 + text[-5:], id="its middle"),
        pytest.param(
            lambda text: text[: text.rindex(b"[0,")] + b"\0\0" + text[-5:], id="its begin"
        ),
    ],
)
async def test_a_line_that_a_kill_cut_off_costs_that_line_alone(
    database: Database, clock: ManualClock, folder: Path, cut: Callable[[bytes], bytes]
) -> None:
    killed = Ledger(database, "ingress", clock, folder)
    for _ in range(3):
        killed.add(entry(clock, amounts=UsageAmounts(10)))
    kill(killed)
    (file,) = files(folder)
    room = file.read_bytes()
    file.write_bytes(cut(room.rstrip(b"\0")) + bytes(100))

    following = Ledger(database, "ingress", clock, folder)
    await following.start()
    await following.close()

    assert await tokens(database, "acme") == 20


async def test_what_is_too_old_to_be_told_from_stored_usage_is_logged_and_not_written(
    database: Database, clock: ManualClock, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed = Ledger(database, "ingress", clock, folder)
    killed.add(entry(clock, amounts=UsageAmounts(7)))
    kill(killed)
    (file,) = files(folder)
    os.utime(file, (clock.wall() - 7 * 86_400,) * 2)

    following = Ledger(database, "ingress", clock, folder)
    await following.start()
    await following.close()

    assert await tokens(database, "acme") == 0
    assert "too old" in caplog.text


async def test_a_disk_that_is_full_fails_no_request(
    database: Database, clock: ManualClock, folder: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    ledger = Ledger(database, "ingress", clock, folder)

    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(journal_module.os, "pwrite", full)
    ledger.add(entry(clock, amounts=UsageAmounts(3)))
    ledger.add(entry(clock, amounts=UsageAmounts(4)))
    monkeypatch.undo()
    await ledger.close()

    assert await tokens(database, "acme") == 7
    assert caplog.text.count("not journalled") == 1


async def test_a_disk_that_takes_a_part_is_full(
    database: Database, clock: ManualClock, folder: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    ledger = Ledger(database, "ingress", clock, folder)
    monkeypatch.setattr(journal_module.os, "pwrite", lambda *_: 4_096)
    ledger.add(entry(clock, amounts=UsageAmounts(3)))
    await ledger.close()

    assert await tokens(database, "acme") == 3
    assert "not journalled" in caplog.text


async def test_a_journal_grows_with_what_is_added(
    database: Database, clock: ManualClock, folder: Path
) -> None:
    killed = Ledger(database, "ingress", clock, folder)
    for number in range(2_000):
        one = entry(clock, amounts=UsageAmounts(1))
        killed.add(replace(one, model=f"model-{number:0100}"))
    kill(killed)
    following = Ledger(database, "ingress", clock, folder)
    await following.start()
    await following.close()

    assert await tokens(database, "acme") == 2_000


async def test_a_day_ends_at_midnight_utc(database: Database, clock: ManualClock) -> None:
    ledger = Ledger(database, "ingress", clock)
    clock.advance(6_399.5)  # 23:59:59.5
    ledger.add(entry(clock, amounts=UsageAmounts(1)))
    clock.advance(0.5)
    ledger.add(entry(clock, amounts=UsageAmounts(10)))
    await ledger.close()

    rows = await report(database, "acme", "day")
    assert [(row.group["day"], row.amounts[Unit.INPUT_TOKENS]) for row in rows] == [
        (DAY, 1),
        ("2023-11-15", 10),
    ]
    async with database.read() as connection:
        assert await budget_used(connection, "acme", Unit.TOKENS, DAY, DAY) == 1


async def test_small_amounts_of_money_do_not_drift(database: Database, clock: ManualClock) -> None:
    """A micro-unit for 1,000 tokens, a token at a time: every rounding would show."""
    ledger = Ledger(database, "ingress", clock)
    prices, costs = {Unit.INPUT_TOKENS: 3}, {Unit.INPUT_TOKENS: 1}
    for number in range(3_000):
        ledger.add(entry(clock, amounts=UsageAmounts(1), prices=prices, costs=costs))
        if number % 300 == 0:
            await ledger.flush()
    await ledger.close()

    (row,) = await report(database, "acme")
    assert (row.cost, row.revenue) == (3, 9)


async def test_a_new_price_counts_from_its_first_request(
    database: Database, clock: ManualClock
) -> None:
    ledger = Ledger(database, "ingress", clock)
    ledger.add(entry(clock, amounts=UsageAmounts(1_000), prices={Unit.TOKENS: 5}))
    ledger.add(entry(clock, amounts=UsageAmounts(1_000), prices={Unit.TOKENS: 7}))
    await ledger.close()
    (row,) = await report(database, "acme")
    assert row.revenue == 12


async def test_reports_group_by_what_is_asked_and_keep_tenants_apart(
    database: Database, clock: ManualClock
) -> None:
    ledger = Ledger(database, "ingress", clock)
    ledger.add(entry(clock, "acme", amounts=UsageAmounts(1, 2)))
    ledger.add(entry(clock, "other", amounts=UsageAmounts(5)))
    await ledger.close()

    units = await report(database, "acme", "unit", "model")
    assert [row.group["unit"] for row in units] == ["input_tokens", "output_tokens", "requests"]
    assert {row.group["model"] for row in units} == {"nano"}
    assert [row.group["tenant"] for row in await report(database, None, "tenant")] == [
        "acme",
        "other",
    ]
    assert await report(database, "nobody", "key") == []
    with pytest.raises(InvalidRequest, match="group_by"):
        await report(database, "acme", "tenant; DROP TABLE usage")


async def test_batches_that_nobody_can_send_again_are_forgotten(
    database: Database, clock: ManualClock
) -> None:
    ledger = Ledger(database, "ingress", clock)
    for _ in range(PRUNE_EVERY + 1):
        ledger.add(entry(clock))
        await ledger.flush()
    async with database.read() as connection:
        count = select(func.count()).select_from(usage_batches)
        assert (await connection.execute(count)).scalar_one() == 1


async def test_a_flush_ends_although_usage_keeps_coming(
    database: Database, clock: ManualClock
) -> None:
    ledger = Ledger(database, "ingress", clock)
    ledger.add(entry(clock))
    flush = asyncio.ensure_future(ledger.flush())
    batches = 0
    while not flush.done():
        ledger.add(entry(clock))
        await asyncio.sleep(0)
        batches = max(batches, ledger._seq)
    assert batches == 1
    await ledger.close()
