"""The call of one item, until it has an outcome.

In: an item. Out: an outcome with what it used, whatever went wrong. A call that meets a rate limit
or too much load waits and is made again.
"""

import asyncio
import logging
from dataclasses import replace

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Overloaded, Problem, QuotaExceeded, RateLimited, to_problem
from cluster.usage.collected_usage import CollectedUsage
from deployments.batches.model import MAX_AGE_S, BatchItem, BatchSpec, ItemCaller, ItemOutcome
from deployments.batches.pacing import BatchPacer
from deployments.contracts.jobs import Job

LONGEST_WAIT_S = 30.0  # before a call is made again

log = logging.getLogger("mobula.batches")


class BatchExpired(Problem):
    """Its batch was a day old before it was called."""

    slug, title, status = "batch-expired", "The batch has expired", 408

    def __init__(self) -> None:
        super().__init__("The batch is a day old; this item was not called.")


class ItemCalls:
    """Of one process."""

    def __init__(self, caller: ItemCaller, clock: Clock, pacer: BatchPacer) -> None:
        self._caller = caller
        self._clock = clock
        self._pacer = pacer

    async def outcome(
        self, job: Job, spec: BatchSpec, item: BatchItem, slots: asyncio.Semaphore
    ) -> ItemOutcome:
        """Never raises but for its cancellation; then what it used is forgotten. `slots` are those
        of the batch."""
        usage = CollectedUsage()
        try:
            return replace(await self._outcome(job, spec, item, usage, slots), usage=usage)
        except asyncio.CancelledError:
            usage.drop()
            raise

    async def _outcome(
        self,
        job: Job,
        spec: BatchSpec,
        item: BatchItem,
        usage: CollectedUsage,
        slots: asyncio.Semaphore,
    ) -> ItemOutcome:
        while True:
            if self._is_over(job, 0.0):
                refused = self._caller.refused(job, spec, item, BatchExpired())
                return replace(refused, is_expired=True)
            try:
                async with self._pacer.turn(slots):
                    return await self._caller.call(job, spec, item, usage)
            except Exception as error:
                problem = to_problem(error)
                if problem is not error:
                    log.error("item %d of batch %s failed", item.index, job.id, exc_info=error)
            if not _is_passing(problem):
                return self._caller.refused(job, spec, item, problem)
            wait_s = min(float(problem.extensions.get("retry_after_s") or 1.0), LONGEST_WAIT_S)
            if self._is_over(job, wait_s):
                return replace(self._caller.refused(job, spec, item, problem), is_expired=True)
            await asyncio.sleep(wait_s)

    def _is_over(self, job: Job, wait_s: float) -> bool:
        return self._clock.wall() + wait_s > job.created + MAX_AGE_S


def _is_passing(problem: Problem) -> bool:
    """Whether waiting helps."""
    is_limit = isinstance(problem, RateLimited | Overloaded)
    return is_limit and not isinstance(problem, QuotaExceeded)
