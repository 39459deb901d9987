"""Runs batches: calls the items that have no outcome yet, some at a time, and stores what comes.

In: a job of kind `batch`. Out: an outcome for each item, stored a few times a second together with
the job's fence, so that a worker that is killed costs a repetition of the calls of its last moment
and no result. A call that meets a rate limit or too much load waits and is made again.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.background import run_to_end
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Overloaded, Problem, QuotaExceeded, RateLimited, to_problem
from cluster.storage.database import Database
from deployments.batches.item_store import BatchItemStore
from deployments.batches.model import (
    KIND,
    MAX_AGE_S,
    BatchItem,
    BatchSpec,
    ItemCaller,
    ItemOutcome,
)
from deployments.contracts.jobs import Job, JobContext, JobResult

PARALLEL = 8  # calls of one batch at a time
WINDOW = 64  # items in memory
FLUSH_S = 0.25  # between two writes of outcomes
LONGEST_WAIT_S = 30.0  # before a call is made again

log = logging.getLogger("mobula.batches")


class BatchHandler:
    """Implements JobHandler."""

    kind = KIND

    def __init__(
        self, database: Database, items: BatchItemStore, caller: ItemCaller, clock: Clock
    ) -> None:
        self._database = database
        self._items = items
        self._caller = caller
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
        slots = asyncio.Semaphore(PARALLEL)
        calls = {asyncio.ensure_future(self._call(work.job, spec, item, slots)) for item in items}
        try:
            while calls:
                ended, calls = await asyncio.wait(calls, timeout=FLUSH_S)
                # A cancellation waits for it: calls that were made and charged keep their outcomes.
                await run_to_end(self._save(work, [call.result() for call in ended]))
                done += len(ended)
                await work.report("items", 100.0 * done / max(1, spec.total))
        except asyncio.CancelledError:
            await self._save(work, [each.result() for each in calls if _has_result(each)])
            raise
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async def _save(self, work: JobContext, outcomes: Sequence[ItemOutcome]) -> None:
        if outcomes:
            job = work.job
            write = partial(_write, self._items, job, outcomes)
            await work.checkpoint("saved", {"at": self._clock.wall()}, write)

    async def _call(
        self, job: Job, spec: BatchSpec, item: BatchItem, slots: asyncio.Semaphore
    ) -> ItemOutcome:
        """Never raises but for its cancellation: whatever goes wrong is the item's outcome."""
        while True:
            try:
                async with slots:
                    return await self._caller.call(job, spec, item)
            except Exception as error:
                problem = to_problem(error)
                if problem is not error:
                    log.error("item %d of batch %s failed", item.index, job.id, exc_info=error)
            wait_s = self._wait_s(job, problem)
            if wait_s is None:
                return self._caller.refused(job, item, problem)
            await asyncio.sleep(wait_s)

    def _wait_s(self, job: Job, problem: Problem) -> float | None:
        """None: waiting does not help, or has lasted too long."""
        is_passing = isinstance(problem, (RateLimited, Overloaded))
        if not is_passing or isinstance(problem, QuotaExceeded):
            return None
        wait_s = min(float(problem.extensions.get("retry_after_s") or 1.0), LONGEST_WAIT_S)
        if self._clock.wall() + wait_s > job.created + MAX_AGE_S:
            return None
        return wait_s


async def _write(
    items: BatchItemStore, job: Job, outcomes: Sequence[ItemOutcome], connection: AsyncConnection
) -> None:
    await items.save(connection, job.tenant, job.id, outcomes)


def _windows(indexes: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for at in range(0, len(indexes), size):
        yield indexes[at : at + size]


def _has_result(call: "asyncio.Future[ItemOutcome]") -> bool:
    return call.done() and not call.cancelled() and call.exception() is None
