"""One attempt at one job, from its claim to its end in the store.

    checkpoints -> handler -> finish | fail | stop (cancelled) | release (closing) | nothing (lost)

Flows in: a lease and a handler. Flows out: one ending, written under the lease. The worker renews
the lease and notices the cancellation of the job.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from typing import Any, TypeVar

from cluster.runtime.clock import Clock
from cluster.runtime.logging import logged_request
from cluster.runtime.problems import Problem, to_problem
from cluster.storage.database import DatabaseUnavailable
from cluster.tracing.log_context import log_span
from deployments.contracts.jobs import (
    Job,
    JobHandler,
    JobLease,
    JobOutput,
    JobResult,
    LeaseLost,
    PartState,
    WriteInTransaction,
)
from deployments.jobs.job_metrics import JobMetrics
from deployments.jobs.job_trace import job_span
from deployments.jobs.store import JobStore

T = TypeVar("T")
PAUSE_S = 0.5  # before a write is tried again
REPORT_S = 0.5  # between two writes of progress

log = logging.getLogger("mobula.jobs")


class StopReason(Enum):
    """Why an attempt is stopped."""

    CANCELED = auto()
    CLOSING = auto()
    LOST = auto()


class JobAttempt:
    """Begins at once. The lease expires at `valid_until` (this process's monotonic clock)."""

    def __init__(
        self,
        store: JobStore,
        handler: JobHandler,
        lease: JobLease,
        clock: Clock,
        valid_until: float,
        metrics: JobMetrics | None = None,
    ) -> None:
        self.lease = lease
        self.metrics = metrics or JobMetrics()
        self._outcome = "lost"
        self._result: JobResult | None = None
        self.key = (lease.job.id, lease.fence)
        self.valid_until = valid_until
        self.store = store
        self._handler = handler
        self.clock = clock
        self._stop: StopReason | None = None
        self._handler_task: asyncio.Task[JobResult] | None = None
        self.task = asyncio.create_task(self._attempt(), name=f"job-{lease.job.id}")

    def stop(self, reason: StopReason) -> None:
        """Cancel the handler, once."""
        if self._stop is None:
            self._stop = reason
            if self._handler_task is not None:
                self._handler_task.cancel()

    @property
    def is_lost(self) -> bool:
        """Whether it was stopped because its lease was lost."""
        return self._stop is StopReason.LOST

    async def _attempt(self) -> None:
        began, job = self.clock.monotonic(), self.lease.job
        logged_request.set((job.request_id, job.tenant))  # of its order
        log_span(job_span(job.id))
        self.metrics.begin(job, self.lease.fence, self.clock.wall())
        try:
            await self._run_handler()
            await self._conclude()
        except LeaseLost:
            log.warning("job %s: its lease was lost in attempt %d", self._id, self.lease.fence)
        except Exception:
            log.exception("job %s: the end of an attempt could not be written", self._id)
        finally:
            if self._handler_task is not None:
                self._handler_task.cancel()
            elapsed_s = self.clock.monotonic() - began
            self.metrics.end(job, self._outcome, elapsed_s, self._result)

    async def _run_handler(self) -> None:
        checkpoints = await self.persist(lambda: self.store.checkpoints(self.lease))
        if self._stop is None:
            context = LeasedJobContext(self, checkpoints)
            self._handler_task = asyncio.create_task(self._handler.run(context))
            await asyncio.wait([self._handler_task])
            context.leave_stage()

    async def _conclude(self) -> None:
        task = self._handler_task
        if task is not None and not task.cancelled() and task.exception() is None:
            await self._finish(task.result())
        elif self._stop is StopReason.CANCELED:
            await self.persist(lambda: self.store.confirm_cancel(self.lease))
            self._outcome = "canceled"
        elif self._stop is StopReason.CLOSING:
            await self.persist(lambda: self.store.release(self.lease))
            self._outcome = "released"
        elif self._stop is None:
            assert task is not None
            await self._fail(None if task.cancelled() else task.exception())

    async def _finish(self, result: JobResult) -> None:
        try:
            await self.persist(lambda: self.store.finish(self.lease, result))
            self._outcome, self._result = "finished", result
        except (LeaseLost, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - a result that the store refuses is a failure
            await self._fail(error)

    async def _fail(self, error: BaseException | None) -> None:
        """Raises LeaseLost where the handler did."""
        if isinstance(error, LeaseLost):
            raise error
        problem = Problem("The work was interrupted.") if error is None else to_problem(error)
        if problem is not error:
            log.error("job %s failed", self._id, exc_info=error)
        await self.persist(lambda: self.store.fail(self.lease, problem))
        self._outcome = "failed"

    async def persist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Repeat the write while the store is unavailable; LeaseLost once the lease has expired."""
        while True:
            try:
                return await write()
            except DatabaseUnavailable:
                if self.clock.monotonic() >= self.valid_until:
                    raise LeaseLost(self._id) from None
            await asyncio.sleep(PAUSE_S)

    @property
    def _id(self) -> str:
        return self.lease.job.id


class LeasedJobContext:
    """Implements `JobContext` for one attempt.

    Progress is written seldom, and dropped while the store is unavailable; every other write is
    repeated until the lease is lost.
    """

    def __init__(self, attempt: JobAttempt, checkpoints: dict[str, Any]) -> None:
        self._attempt = attempt
        self._store = attempt.store
        self._lease = attempt.lease
        self._checkpoints = checkpoints
        self._job = attempt.lease.job
        self._reported_at = attempt.clock.monotonic() - REPORT_S
        self._stage, self._stage_since = "", 0.0

    @property
    def job(self) -> Job:
        return self._job

    @property
    def fence(self) -> int:
        return self._lease.fence

    @property
    def checkpoints(self) -> Mapping[str, Any]:
        return self._checkpoints

    async def report(self, stage: str, percent: float) -> None:
        now = self._attempt.clock.monotonic()
        if stage != self._stage:
            self.leave_stage()
            self._stage, self._stage_since = stage, now
        if stage == self._job.stage and now - self._reported_at < REPORT_S:
            return
        self._reported_at = now
        try:
            self._job = await self._store.report(self._lease, stage, percent)
        except DatabaseUnavailable:
            return

    def leave_stage(self) -> None:
        """The attempt goes on to another stage, or ends."""
        attempt = self._attempt
        elapsed_s = attempt.clock.monotonic() - self._stage_since
        attempt.metrics.leave_stage(self._job, self._stage, elapsed_s)
        self._stage = ""

    async def checkpoint(
        self, name: str, data: Any, also: WriteInTransaction | None = None
    ) -> None:
        lease = self._lease
        await self._attempt.persist(lambda: self._store.checkpoint(lease, name, data, also))
        self._checkpoints[name] = data

    async def part(
        self,
        number: int,
        state: PartState,
        data: Mapping[str, Any],
        also: WriteInTransaction | None = None,
    ) -> None:
        lease = self._lease
        await self._attempt.persist(lambda: self._store.set_part(lease, number, state, data, also))
        self._attempt.metrics.finish_part(self._job, state)

    async def parts(self) -> tuple[JobOutput, ...]:
        job = self._job
        return await self._attempt.persist(lambda: self._store.parts(job.tenant, job.id))
