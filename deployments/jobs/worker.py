"""A worker: claims jobs, runs their handlers, keeps their leases, notices what is cancelled.

Flows in: handlers, by kind of job. Flows out: ended jobs. It is one of many over the same store.
While the store is away handlers go on until their leases have run out; when it closes, what it runs
is given back at once, so that another goes on with it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from cluster.runtime.clock import Clock
from cluster.storage.database import DatabaseUnavailable
from deployments.contracts.jobs import JobHandler
from deployments.jobs.attempt import JobAttempt, StopReason
from deployments.jobs.store import JobStore

MAX_NAME = 80

log = logging.getLogger("mobula.jobs")


@dataclass(frozen=True, slots=True)
class WorkerTimings:
    """All in seconds. Polls slow down from `poll_s` to `slowest_s` while there is nothing to do."""

    poll_s: float = 0.2
    slowest_s: float = 1.0
    beat_s: float = 1.0  # between looks at what is cancelled
    sweep_s: float = 60.0
    close_s: float = 10.0  # how long a close waits for handlers to let go


class JobWorker:
    """Runs up to `concurrency` jobs; a lease is renewed after a third of `lease_s`."""

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
        self._runs: dict[tuple[str, int], JobAttempt] = {}  # by job and fence
        self._renewed = clock.monotonic()
        self._woken = asyncio.Event()
        self._closing = False
        self._claiming: asyncio.Task[None] | None = None
        self._keeping: list[asyncio.Task[None]] = []

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of jobs that run here."""
        return tuple(job for job, _ in self._runs)

    async def start(self) -> None:
        """Work in the background from now on."""
        self._claiming = asyncio.create_task(self._claim_on(), name="jobs-claim")
        self._keeping = [
            asyncio.create_task(self._every(self._pace.beat_s, self._beat), name="jobs-beat"),
            asyncio.create_task(self._every(self._pace.sweep_s, self._sweep), name="jobs-sweep"),
        ]

    def wake(self) -> None:
        """Look for work now instead of at the next poll."""
        self._woken.set()

    async def close(self) -> None:
        """Claim no more, cancel what runs and give it back; bounded by the pace's `close_s`."""
        self._closing = True
        self._woken.set()
        if self._claiming is not None:
            await self._claiming
        for run in self._runs.values():
            run.stop(StopReason.CLOSING)
        await _ended([run.task for run in self._runs.values()], self._pace.close_s)
        await _ended(self._keeping, 0.0)

    async def _claim_on(self) -> None:
        pause = self._pace.poll_s
        while not self._closing:
            self._woken.clear()
            found = await self._fill()
            pause = self._pace.poll_s if found else min(2 * pause, self._pace.slowest_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _fill(self) -> bool:
        """Claim what there is room for; whether there was anything."""
        found = False
        try:
            while len(self._runs) < self._concurrency and not self._closing:
                if not await self._claim():
                    break
                found = True
        except DatabaseUnavailable:
            log.warning("jobs wait for the store")
        except Exception:
            log.exception("a job could not be claimed")
        return found

    async def _claim(self) -> bool:
        good_until = self._clock.monotonic() + self._lease_s
        lease = await self._store.claim(self._name, tuple(self._handlers), self._lease_s)
        if lease is None:
            return False
        handler = self._handlers[lease.job.kind]
        run = JobAttempt(self._store, handler, lease, self._clock, good_until)
        self._runs[run.key] = run
        run.task.add_done_callback(lambda _: self._done(run))
        return True

    def _done(self, run: JobAttempt) -> None:
        del self._runs[run.key]
        self._woken.set()

    async def _every(self, pause_s: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(pause_s)
            try:
                await do()
            except (DatabaseUnavailable, TimeoutError):
                log.warning("jobs wait for the store")
            except Exception:
                log.exception("a worker's duty was not done; it is tried again")

    async def _sweep(self) -> None:
        await self._store.sweep()

    async def _beat(self) -> None:
        """Renew the leases or look at them; a lease that can no longer be renewed is lost."""
        runs = tuple(self._runs.values())
        if not runs:
            return
        try:
            async with asyncio.timeout(self._lease_s / 3):
                await self._keep(runs)
        except Exception:
            for run in runs:
                if self._clock.monotonic() >= run.good_until:
                    run.stop(StopReason.LOST)
            raise

    async def _keep(self, runs: Sequence[JobAttempt]) -> None:
        now, leases = self._clock.monotonic(), [run.lease for run in runs]
        renewing = now - self._renewed >= self._lease_s / 3
        if renewing:
            held = await self._store.renew_all(leases, self._lease_s)
            self._renewed = now
        else:
            held = await self._store.check(leases)
        for run in runs:
            asked = held.get(run.key)
            if asked is None:
                run.stop(StopReason.LOST)
            elif renewing:
                run.good_until = now + self._lease_s
            if asked:
                run.stop(StopReason.CANCELED)


async def _ended(tasks: Sequence[asyncio.Task[None]], patience_s: float) -> None:
    """Wait for tasks, and cancel those that take longer."""
    if tasks:
        _, slow = await asyncio.wait(tasks, timeout=patience_s)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
