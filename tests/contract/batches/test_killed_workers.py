"""Whenever workers of a batch are killed: each line has one outcome, and is charged once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

import orjson
import pytest
from sqlalchemy import func, select

from cluster.blobs.files import TenantFiles
from cluster.blobs.store import BlobStore
from cluster.runtime.problems import InvalidRequest, Problem
from cluster.storage.database import Database
from cluster.storage.tables import usage
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from cluster.usage.collected_usage import CollectedUsage
from cluster.usage.ledger import Ledger
from deployments.batches import file_handler, handler
from deployments.batches.file_batch_store import FileBatchStore
from deployments.batches.file_handler import FileBatchHandler
from deployments.batches.handler import BatchHandler
from deployments.batches.item_calls import ItemCalls
from deployments.batches.item_store import BatchItemStore
from deployments.batches.model import (
    FILE_KIND,
    KIND,
    BatchItem,
    BatchSpec,
    FileSource,
    ItemOutcome,
)
from deployments.batches.pacing import BatchPacer
from deployments.contracts.jobs import Job, JobHandler, NewJob
from deployments.files.model import NewFile
from deployments.files.store import FileStore
from deployments.jobs import attempt as attempts
from deployments.jobs.attempt import JobAttempt
from deployments.jobs.store import JobStore
from tests.contract.batches.dying_database import DyingDatabase, Fault
from tests.contract.jobs.office import LEASE_S, Office

Source = Literal["inline", "file"]
ITEMS = BatchItemStore(lambda tenant: tenant.encode().ljust(32, b"s"))
PLAN, CALLER = Plan(id="default"), Caller("acme", "k", frozenset())
PLACE = "/v1/chat/completions"


@dataclass
class Meter:
    """An ItemCaller: line n uses n + 1 tokens; every fifth uses them and fails. `on_call` runs
    before the call of a line."""

    ledger: Ledger
    random: Random
    on_call: Mapping[int, Callable[[], None]] = field(default_factory=dict)

    async def call(
        self, job: Job, spec: BatchSpec, item: BatchItem, usage: CollectedUsage
    ) -> ItemOutcome:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)
        if item.index in self.on_call:
            self.on_call[item.index]()
        used = UsageAmounts(item.index + 1)
        self.ledger.record_call(CALLER, PLAN, "echo", used, collected=usage)
        if item.index % 5 == 4:
            raise InvalidRequest("No.")
        return ItemOutcome(item.index, 200, item.body, f"r{item.index}")

    def refused(self, job: Job, spec: BatchSpec, item: BatchItem, problem: Problem) -> ItemOutcome:
        return ItemOutcome(item.index, problem.status, b"{}", f"r{item.index}")


@dataclass
class Killing:
    """One batch of `lines`, and the processes that work at it one after another."""

    office: Office
    folder: Path
    source: Source
    lines: int
    random: Random
    job: Job = field(init=False)
    on_call: Mapping[int, Callable[[], None]] = field(default_factory=dict)

    async def order(self) -> None:
        office = self.office
        if self.source == "inline":
            spec = BatchSpec("chat", self.lines, frozenset())
            async with office.database.begin() as connection:
                new = NewJob("acme", KIND, "k", spec.to_json(), max_attempts=99)
                self.job = await office.store.create(connection, new)
                items = [BatchItem(n, f"n{n}", b'{"n": %d}' % n) for n in range(self.lines)]
                await ITEMS.add(connection, "acme", self.job.id, items)
            return

        async def content() -> AsyncIterator[bytes]:
            for n in range(self.lines):
                yield b'{"custom_id": "n%d", "body": {"n": %d}}\n' % (n, n)

        files = self._files(office.database)
        staged = await files.receive("acme", content(), "a/b", 1 << 20)
        file = await files.add(staged, NewFile("acme", "k", "batch", "a", "a/b"))
        source = FileSource(file.id, PLACE, (PLACE,), 3_600.0)
        spec = BatchSpec("chat", 0, frozenset(), source=source)
        async with office.database.begin() as connection:
            new = NewJob("acme", FILE_KIND, "k", spec.to_json(), max_attempts=99)
            self.job = await office.store.create(connection, new)
            await FileBatchStore().add(connection, "acme", self.job.id)

    async def work(self, at: int | None, fault: Fault = "before") -> int:
        """One process, until it ends or dies; how many transactions it began."""
        office = self.office
        lease = await office.store.claim("w", (KIND, FILE_KIND), LEASE_S)
        assert lease is not None
        database = DyingDatabase(office.database, at, fault)
        ledger = Ledger(database, "w", office.clock)
        calls = ItemCalls(
            Meter(ledger, self.random, self.on_call), office.clock, BatchPacer(office.clock)
        )
        store = JobStore(database, office.clock, Random(7))
        running = JobAttempt(
            store,
            self._handler(database, ledger, calls),
            lease,
            office.clock,
            office.clock.monotonic() + LEASE_S,
        )
        with suppress(BaseException):
            await running.task
        office.clock.advance(LEASE_S + 1)
        with suppress(BaseException):
            await ledger.flush()
        return database.count

    async def has_ended(self) -> bool:
        return (await self.office.store.get("acme", self.job.id)).ended is not None

    async def outcomes(self) -> Sequence[tuple[str | None, int]]:
        """Names and statuses, in the order in which they are read."""
        if self.source == "inline":
            async with self.office.database.read() as connection:
                page = await ITEMS.page(
                    connection, "acme", self.job.id, state=None, after=-1, limit=200
                )
            return [(item.custom_id, item.status or 0) for item in page.items]
        files, found = self._files(self.office.database), list[tuple[str | None, int]]()
        async with self.office.database.read() as connection:
            state = await FileBatchStore().get(connection, "acme", self.job.id)
        for id in (state.output, state.error_output):
            if id is not None:
                blocks = files.read(await files.get("acme", id))
                content = b"".join([block async for block in blocks])
                lines = [orjson.loads(each) for each in content.splitlines()]
                found += [(line["custom_id"], line["response"]["status_code"]) for line in lines]
        return found

    async def charged(self) -> dict[str, int]:
        query = select(usage.c.unit, func.sum(usage.c.amount)).group_by(usage.c.unit)
        async with self.office.database.read() as connection:
            return {unit: int(amount) for unit, amount in await connection.execute(query)}

    def _handler(self, database: DyingDatabase, ledger: Ledger, calls: ItemCalls) -> JobHandler:
        clock = self.office.clock
        if self.source == "inline":
            return BatchHandler(database, ITEMS, calls, ledger, clock)
        files, pacer = self._files(database), BatchPacer(clock)
        return FileBatchHandler(database, FileBatchStore(), files, calls, ledger, clock, pacer)

    def _files(self, database: Database) -> FileStore:
        clock, store = self.office.clock, BlobStore(str(self.folder / "blobs"))
        objects = TenantFiles(database, store, clock, lambda _: PLAN)
        return FileStore(database, objects, clock)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_handler, "SEGMENT_LINES", 3)
    monkeypatch.setattr(handler, "WINDOW", 4)
    monkeypatch.setattr(attempts, "PAUSE_S", 0.0)


async def assert_exact(killing: Killing) -> None:
    n = killing.lines
    job = await killing.office.store.get("acme", killing.job.id)
    assert job.state == "partial"
    expected = [(f"n{i}", 400 if i % 5 == 4 else 200) for i in range(n)]
    found = await killing.outcomes()
    if killing.source == "file":  # answers first, each file in order
        expected.sort(key=lambda each: each[1])
    assert found == expected
    charged = await killing.charged()
    assert charged["requests"] == n
    assert charged["input_tokens"] == n * (n + 1) // 2


@pytest.mark.parametrize("source", ["inline", "file"])
@pytest.mark.parametrize("seed", range(3))
async def test_ten_kills_anywhere_change_nothing(
    office: Office, tmp_path: Path, source: Source, seed: int
) -> None:
    random = Random(seed)
    killing = Killing(office, tmp_path, source, 40, random)
    await killing.order()
    for _ in range(10):
        await killing.work(random.randrange(3, 9), random.choice(["before", "after"]))
        if await killing.has_ended():
            break
    else:
        await killing.work(None)

    await assert_exact(killing)


@pytest.mark.exhaustive
@pytest.mark.parametrize("source", ["inline", "file"])
@pytest.mark.parametrize("fault", ["before", "after", "answer"])
async def test_a_fault_at_any_transaction_changes_nothing(
    office: Office, tmp_path: Path, source: Source, fault: Fault
) -> None:
    whole = Killing(office, tmp_path, source, 11, Random(1))
    await whole.order()
    transactions = await whole.work(None)
    before = await whole.charged()
    for at in range(1, transactions + 1):
        killing = Killing(office, tmp_path, source, 11, Random(at))
        await killing.order()
        await killing.work(at, fault)
        if not await killing.has_ended():
            await killing.work(None)
        found = await killing.outcomes()
        assert sorted(found) == sorted((f"n{i}", 400 if i % 5 == 4 else 200) for i in range(11))
        now = await killing.charged()
        assert {unit: now[unit] - before[unit] for unit in ("requests", "input_tokens")} == {
            "requests": 11,
            "input_tokens": 66,
        }, at
        before = now
