"""A worker: claims jobs, runs their handlers, renews their leases, notices cancellations.

Flows in: handlers, by kind of job. Flows out: ended jobs. It is one of many over the same store.
While the store is unavailable, handlers go on until their leases have expired; when it closes, its
jobs are released at once, so that another worker continues them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.runtime.background import PeriodicTask, end_tasks
from cluster.runtime.clock import Clock
from cluster.storage.database import DatabaseUnavailable
from deployments.contracts.jobs import JobHandler
from deployments.jobs.attempt import JobAttempt, StopReason
from deployments.jobs.job_metrics import JobMetrics
from deployments.jobs.store import JobStore

MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class WorkerTimings:
    """All in seconds. Polls slow down from `poll_s` to `slowest_s` while there is nothing to do."""

    poll_s: float = 0.2
    slowest_s: float = 1.0
    beat_s: float = 1.0  # between checks for cancellations
    sweep_s: float = 60.0
    close_s: float = 10.0  # how long a close waits for handlers to end


class JobWorker:
    """Runs up to `concurrency` jobs; a lease is renewed after a third of `lease_s`. `metrics` are
    those of its attempts."""

    def __init__(
        self,
        store: JobStore,
        handlers: Sequence[JobHandler],
        name: str,
        clock: Clock,
        *,
        concurrency: int = 1,
        lease_s: float = 15.0,
        pace: WorkerTimings | None = None,
    ) -> None:
        """Raises ValueError if `name` is not 1 to 80 characters long."""
        if not 1 <= len(name) <= MAX_NAME:
            raise ValueError(f"name: must have 1 to {MAX_NAME} characters")
        self._store = store
        self._handlers = {handler.kind: handler for handler in handlers}
        self._name = name
        self._clock = clock
        self._concurrency = concurrency
        self._lease_s = lease_s
        self._pace = pace or WorkerTimings()
        self._attempts: dict[tuple[str, int], JobAttempt] = {}  # by job and fence
        self.metrics = JobMetrics()
        self._renewed = clock.monotonic()
        self._closing = False
        self._pause_s = self._pace.poll_s
        self._claims = PeriodicTask(self._claim_due, lambda: self._pause_s, "claiming of jobs")
        expected = (DatabaseUnavailable, TimeoutError)
        self._periodic = [
            PeriodicTask(action, interval_s, name, delayed=True, expected=expected)
            for action, interval_s, name in (
                (self._beat, self._pace.beat_s, "renewal of the leases of jobs"),
                (store.sweep, self._pace.sweep_s, "sweep of jobs"),
            )
        ]

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of jobs that run here."""
        return tuple(job for job, _ in self._attempts)

    async def start(self) -> None:
        """Work in the background from now on."""
        for task in (self._claims, *self._periodic):
            task.start()

    def wake(self) -> None:
        """Claim now instead of at the next poll."""
        self._claims.wake()

    async def close(self) -> None:
        """Claim no more, cancel running jobs and release them; bounded by `close_s`."""
        self._closing = True
        await self._claims.close(timeout_s=None)
        for attempt in self._attempts.values():
            attempt.stop(StopReason.CLOSING)
        await end_tasks([attempt.task for attempt in self._attempts.values()], self._pace.close_s)
        for task in self._periodic:
            await task.close()

    async def _claim_due(self) -> None:
        """Claim up to the free concurrency; the next poll is later if no job was due."""
        self._pause_s = min(2 * self._pause_s, self._pace.slowest_s)
        while len(self._attempts) < self._concurrency and not self._closing:
            if not await self._claim():
                return
            self._pause_s = self._pace.poll_s

    async def _claim(self) -> bool:
        valid_until = self._clock.monotonic() + self._lease_s
        lease = await self._store.claim(self._name, tuple(self._handlers), self._lease_s)
        if lease is None:
            return False
        handler = self._handlers[lease.job.kind]
        attempt = JobAttempt(self._store, handler, lease, self._clock, valid_until, self.metrics)
        self._attempts[attempt.key] = attempt
        attempt.task.add_done_callback(lambda _: self._on_done(attempt))
        return True

    def _on_done(self, attempt: JobAttempt) -> None:
        del self._attempts[attempt.key]
        self._claims.wake()

    async def _beat(self) -> None:
        """Renew the leases or check them; a lease that cannot be renewed any more is lost."""
        attempts = tuple(each for each in self._attempts.values() if not each.is_lost)
        if not attempts:
            return
        try:
            async with asyncio.timeout(self._lease_s / 3):
                await self._renew_or_check(attempts)
        except Exception:
            for attempt in attempts:
                if self._clock.monotonic() >= attempt.valid_until:
                    attempt.stop(StopReason.LOST)
            raise

    async def _renew_or_check(self, attempts: Sequence[JobAttempt]) -> None:
        now, leases = self._clock.monotonic(), [attempt.lease for attempt in attempts]
        renewing = now - self._renewed >= self._lease_s / 3
        if renewing:
            held = await self._store.renew_all(leases, self._lease_s)
            self._renewed = now
        else:
            held = await self._store.check(leases)
        for attempt in attempts:
            cancel_requested = held.get(attempt.key)
            if cancel_requested is None:
                attempt.stop(StopReason.LOST)
            elif renewing:
                attempt.valid_until = now + self._lease_s
            if cancel_requested:
                attempt.stop(StopReason.CANCELED)
