"""One attempt at one job, from its claim to its end in the store.

    checkpoints -> handler -> finish | fail | stop (cancelled) | release (closing) | nothing (lost)

Flows in: a lease and a handler. Flows out: one ending, written under the lease. Renewing the lease
and noticing that the job is cancelled are its worker's.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import TypeVar

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem, to_problem
from cluster.storage.database import DatabaseUnavailable
from deployments.contracts.jobs import JobHandler, JobLease, JobResult, LeaseLost
from deployments.jobs.job_context import LeasedJobContext
from deployments.jobs.store import JobStore

T = TypeVar("T")
PAUSE_S = 0.5  # before a write is tried again

log = logging.getLogger("mobula.jobs")


class StopReason(Enum):
    """Why an attempt is broken off."""

    CANCELED = auto()
    CLOSING = auto()
    LOST = auto()


class JobAttempt:
    """Begins at once. `good_until` (this process's monotonic clock) is when the lease runs out."""

    def __init__(
        self, store: JobStore, handler: JobHandler, lease: JobLease, clock: Clock, good_until: float
    ) -> None:
        self.lease = lease
        self.key = (lease.job.id, lease.fence)
        self.good_until = good_until
        self._store = store
        self._handler = handler
        self._clock = clock
        self._stop: StopReason | None = None
        self._handling: asyncio.Task[JobResult] | None = None
        self.task = asyncio.create_task(self._attempt(), name=f"job-{lease.job.id}")

    def stop(self, why: StopReason) -> None:
        """Cancel the handler, once."""
        if self._stop is None:
            self._stop = why
            if self._handling is not None:
                self._handling.cancel()

    async def _attempt(self) -> None:
        try:
            await self._handle()
            await self._conclude()
        except LeaseLost:
            log.warning("job %s: its lease was lost in attempt %d", self._id, self.lease.fence)
        except Exception:
            log.exception("job %s: the end of an attempt could not be written", self._id)
        finally:
            if self._handling is not None:
                self._handling.cancel()

    async def _handle(self) -> None:
        """Until the handler is done, whichever way."""
        kept = await self._persist(lambda: self._store.checkpoints(self.lease))
        if self._stop is None:
            work = LeasedJobContext(self._store, self.lease, kept, self._clock, self._persist)
            self._handling = asyncio.create_task(self._handler.run(work))
            await asyncio.wait([self._handling])

    async def _conclude(self) -> None:
        done = self._handling
        if done is not None and not done.cancelled() and done.exception() is None:
            await self._finish(done.result())
        elif self._stop is not None:
            await self._broken_off(self._stop)
        else:
            assert done is not None
            await self._fail(None if done.cancelled() else done.exception())

    async def _finish(self, result: JobResult) -> None:
        try:
            await self._persist(lambda: self._store.finish(self.lease, result))
        except (LeaseLost, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - a result that the store refuses is a failure
            await self._fail(error)

    async def _broken_off(self, why: StopReason) -> None:
        if why is StopReason.CANCELED:
            await self._persist(lambda: self._store.confirm_cancel(self.lease))
        elif why is StopReason.CLOSING:
            await self._persist(lambda: self._store.release(self.lease))

    async def _fail(self, error: BaseException | None) -> None:
        """Raises LeaseLost where that is what the handler met."""
        if isinstance(error, LeaseLost):
            raise error
        problem = Problem("The work was broken off.") if error is None else to_problem(error)
        if problem is not error:
            log.error("job %s failed", self._id, exc_info=error)
        await self._persist(lambda: self._store.fail(self.lease, problem))

    async def _persist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Tried again while the store is away and the lease is good; LeaseLost after that."""
        while True:
            try:
                return await write()
            except DatabaseUnavailable:
                if self._clock.monotonic() >= self.good_until:
                    raise LeaseLost(self._id) from None
            await asyncio.sleep(PAUSE_S)

    @property
    def _id(self) -> str:
        return self.lease.job.id
