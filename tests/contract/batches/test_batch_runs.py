"""A batch ends with one outcome for each item, whoever dies on the way and whatever is too busy."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from cluster.runtime.problems import Overloaded, Problem, QuotaExceeded, RateLimited
from cluster.usage.collected_usage import CollectedUsage
from cluster.usage.ledger import Ledger
from deployments.batches.handler import BatchHandler
from deployments.batches.item_calls import ItemCalls
from deployments.batches.item_store import ADDED_AT_ONCE, BatchItemStore
from deployments.batches.model import KIND, MAX_AGE_S, BatchItem, BatchSpec, ItemOutcome
from deployments.batches.pacing import BatchPacer
from deployments.contracts.jobs import ENDED, Job, NewJob
from deployments.jobs.worker import JobWorker, WorkerTimings
from tests.contract.jobs.office import LEASE_S, Office, answer, until
from tests.contract.jobs.working import QUICK

ITEMS = BatchItemStore(lambda tenant: tenant.encode().ljust(32, b"s"))


@dataclass
class Answers:
    """An ItemCaller: `raises` says what a call of an item raises, by the number of the try. Items
    in `held` never end."""

    name: str
    raises: Callable[[int, int], Problem | None] = lambda index, attempt: None
    held: frozenset[int] = frozenset()
    calls: list[int] = field(default_factory=list)

    async def call(
        self, job: Job, spec: BatchSpec, item: BatchItem, usage: CollectedUsage
    ) -> ItemOutcome:
        self.calls.append(item.index)
        if item.index in self.held:
            await asyncio.Event().wait()
        problem = self.raises(item.index, self.calls.count(item.index))
        if problem is not None:
            raise problem
        return ItemOutcome(item.index, 200, item.body, self.name)

    def refused(self, job: Job, spec: BatchSpec, item: BatchItem, problem: Problem) -> ItemOutcome:
        return ItemOutcome(item.index, problem.status, b"{}", self.name)


async def ordered(office: Office, count: int = 6) -> Job:
    new = NewJob("acme", KIND, "k", BatchSpec("chat", count, frozenset()).to_json())
    items = [BatchItem(index, None, b'{"n": %d}' % index) for index in range(count)]
    async with office.database.begin() as connection:
        job = await office.store.create(connection, new)
        await ITEMS.add(connection, "acme", job.id, items)
    return job


@asynccontextmanager
async def worker(
    office: Office, caller: Answers, pace: WorkerTimings = QUICK
) -> AsyncIterator[None]:
    calls = ItemCalls(caller, office.clock, BatchPacer(office.clock))
    ledger = Ledger(office.database, caller.name, office.clock)
    handler = BatchHandler(office.database, ITEMS, calls, ledger, office.clock)
    running = JobWorker(
        office.store, [handler], caller.name, office.clock, pace=pace, lease_s=LEASE_S
    )
    await running.start()
    try:
        yield
    finally:
        await running.close()


async def ended(office: Office, job: Job) -> Job:
    return await answer(lambda: office.store.get("acme", job.id), lambda job: job.state in ENDED)


async def outcomes(office: Office, job: Job) -> Sequence[tuple[int, int | None, str | None]]:
    async with office.database.read() as connection:
        page = await ITEMS.page(connection, "acme", job.id, state=None, after=-1, limit=200)
    return [(item.index, item.status, item.request_id) for item in page.items]


async def test_every_item_is_called_once(office: Office) -> None:
    caller, job = Answers("w1"), await ordered(office, 100)
    async with worker(office, caller):
        done = await ended(office, job)

    assert sorted(caller.calls) == list(range(100))
    assert (done.state, done.result) == ("succeeded", {"succeeded": 100, "failed": 0})
    assert await outcomes(office, job) == [(index, 200, "w1") for index in range(100)]


async def test_another_worker_calls_only_what_has_no_outcome(office: Office) -> None:
    first = Answers("w1", held=frozenset({3, 5}))
    second, job = Answers("w2"), await ordered(office)

    async def saved() -> int:
        return len([status for _, status, _ in await outcomes(office, job) if status])

    silent = replace(QUICK, beat_s=3_600.0)  # as one that was killed: it renews no lease
    async with worker(office, first, silent):
        await answer(saved, lambda count: count == 4)
        office.clock.advance(LEASE_S + 1)
        async with worker(office, second):
            done = await ended(office, job)

    assert sorted(second.calls) == [3, 5]
    assert done.state == "succeeded"
    assert [name for *_, name in await outcomes(office, job)] == [
        "w1", "w1", "w1", "w2", "w1", "w2",
    ]  # fmt: skip


async def test_a_busy_cluster_and_a_rate_make_items_wait(office: Office) -> None:
    def raises(index: int, attempt: int) -> Problem | None:
        if attempt > 2:
            return None
        return RateLimited("Wait.", 0.01, "chat") if index % 2 else Overloaded("Wait.", 0.01)

    caller, job = Answers("w1", raises), await ordered(office)
    async with worker(office, caller):
        done = await ended(office, job)

    assert done.result == {"succeeded": 6, "failed": 0}
    assert len(caller.calls) == 18


async def test_a_spent_budget_fails_its_items_alone(office: Office) -> None:
    def raises(index: int, attempt: int) -> Problem | None:
        return QuotaExceeded("Spent.", 900.0, "tokens-day") if index == 2 else None

    caller, job = Answers("w1", raises), await ordered(office)
    async with worker(office, caller):
        done = await ended(office, job)

    assert (done.state, done.result) == ("partial", {"succeeded": 5, "failed": 1})
    assert caller.calls.count(2) == 1


async def test_nothing_waits_for_longer_than_a_day(office: Office) -> None:
    caller, job = (
        Answers("w1", lambda *_: RateLimited("Wait.", 0.01, "chat")),
        await ordered(office),
    )
    async with worker(office, caller):
        await until(lambda: len(caller.calls) > 6)
        office.clock.advance(MAX_AGE_S)
        done = await ended(office, job)

    assert done.result == {"succeeded": 0, "failed": 6}


async def test_items_of_another_tenant_are_not_there(office: Office) -> None:
    job = await ordered(office)

    async with office.database.read() as connection:
        assert await ITEMS.pending(connection, "other", job.id) == []
        assert await ITEMS.load(connection, "other", job.id, [0]) == []
        assert (await ITEMS.counts(connection, "other", [job.id]))[job.id].total == 0
        page = await ITEMS.page(connection, "other", job.id, state=None, after=-1, limit=9)
    assert page.items == ()


async def test_an_order_of_many_items_gives_way_to_others(office: Office) -> None:
    """No more than ADDED_AT_ONCE items are taken in one turn of the event loop."""
    loop, turn, taken = asyncio.get_running_loop(), 0, Counter[int]()

    def count() -> None:
        nonlocal turn, handle
        turn += 1
        handle = loop.call_soon(count)

    def items() -> Iterator[BatchItem]:
        for n in range(4 * ADDED_AT_ONCE):
            taken[turn] += 1
            yield BatchItem(n, None, b"{}")

    handle = loop.call_soon(count)
    async with office.database.begin() as connection:
        spec = BatchSpec("captions", 4 * ADDED_AT_ONCE, frozenset())
        job = await office.store.create(connection, NewJob("acme", KIND, "k", spec.to_json()))
        await ITEMS.add(connection, "acme", job.id, items())
    handle.cancel()

    assert max(taken.values()) == ADDED_AT_ONCE
    async with office.database.read() as connection:
        assert len(await ITEMS.pending(connection, "acme", job.id)) == 4 * ADDED_AT_ONCE
