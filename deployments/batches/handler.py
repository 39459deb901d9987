"""Runs batches of inline items: calls those that have no outcome yet, and stores what comes.

In: a job of kind `batch`. Out: an outcome for each item, stored a few times a second together with
what it used and the job's fence. So a worker that is killed costs a repetition of the calls of its
last moment, no result, and no charge.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.background import run_to_end
from cluster.runtime.clock import Clock
from cluster.storage.database import Database
from cluster.usage.collected_usage import CollectedUsage, CollectedUsageStore
from deployments.batches.item_calls import ItemCalls
from deployments.batches.item_store import BatchItemStore
from deployments.batches.model import KIND, BatchItem, BatchSpec, ItemOutcome
from deployments.batches.pacing import PARALLEL
from deployments.contracts.jobs import Job, JobContext, JobResult

WINDOW = 64  # items in memory
FLUSH_S = 0.25  # between two writes of outcomes


class BatchHandler:
    """Implements JobHandler."""

    kind = KIND

    def __init__(
        self,
        database: Database,
        items: BatchItemStore,
        calls: ItemCalls,
        usage: CollectedUsageStore,
        clock: Clock,
    ) -> None:
        self._database = database
        self._items = items
        self._calls = calls
        self._usage = usage
        self._clock = clock

    async def run(self, work: JobContext) -> JobResult:
        """Raises DatabaseUnavailable, LeaseLost."""
        job = work.job
        spec = BatchSpec.of(job)
        async with self._database.read() as connection:
            pending = await self._items.pending(connection, job.tenant, job.id)
        done = spec.total - len(pending)
        for indexes in _windows(pending, WINDOW):
            async with self._database.read() as connection:
                items = await self._items.load(connection, job.tenant, job.id, indexes)
            await self._run_window(work, spec, items, done)
            done += len(items)
        async with self._database.read() as connection:
            counts = (await self._items.counts(connection, job.tenant, [job.id]))[job.id]
        data = {"succeeded": counts.succeeded, "failed": counts.failed}
        return JobResult("partial" if counts.failed else "succeeded", data)

    async def _run_window(
        self, work: JobContext, spec: BatchSpec, items: Sequence[BatchItem], done: int
    ) -> None:
        """Outcomes of calls that have ended are stored, whatever ends the window."""
        outcome, slots = self._calls.outcome, asyncio.Semaphore(PARALLEL)
        calls = {asyncio.ensure_future(outcome(work.job, spec, item, slots)) for item in items}
        try:
            while calls:
                ended, calls = await asyncio.wait(calls, timeout=FLUSH_S)
                # A cancellation waits for it: calls that were made keep their outcomes.
                await run_to_end(self._save(work, [call.result() for call in ended]))
                done += len(ended)
                await work.report("items", 100.0 * done / max(1, spec.total))
        except asyncio.CancelledError:
            await self._save(work, [each.result() for each in calls if has_result(each)])
            raise
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async def _save(self, work: JobContext, outcomes: Sequence[ItemOutcome]) -> None:
        if outcomes:
            write = partial(self._write, work.job, outcomes)
            await work.checkpoint("saved", {"at": self._clock.wall()}, write)
            self._usage.confirm_collected(usage_of(outcomes))

    async def _write(
        self, job: Job, outcomes: Sequence[ItemOutcome], connection: AsyncConnection
    ) -> None:
        """Charges no item whose outcome is there already: the answer to a commit may be lost."""
        indexes = [outcome.index for outcome in outcomes]
        queued = await self._items.queued(connection, job.tenant, job.id, indexes)
        await self._items.save(connection, job.tenant, job.id, outcomes)
        new = [outcome for outcome in outcomes if outcome.index in queued]
        await self._usage.store_collected(connection, usage_of(new))


def usage_of(outcomes: Sequence[ItemOutcome]) -> list[CollectedUsage]:
    return [outcome.usage for outcome in outcomes if outcome.usage is not None]


def has_result(call: "asyncio.Future[ItemOutcome]") -> bool:
    return call.done() and not call.cancelled() and call.exception() is None


def _windows(indexes: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for at in range(0, len(indexes), size):
        yield indexes[at : at + size]
