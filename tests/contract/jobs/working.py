"""Workers of one handler, which does what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from deployments.contracts.jobs import JobContext, JobResult
from deployments.jobs.worker import JobWorker, WorkerTimings
from tests.contract.jobs.office import KIND, LEASE_S, Office, answer

QUICK = WorkerTimings(poll_s=0.005, slowest_s=0.01, beat_s=0.01, sweep_s=0.02, close_s=5.0)
Do = Callable[[JobContext], Awaitable[JobResult]]


class Doing:
    """A handler that does what the test says, and remembers how it went."""

    kind = KIND

    def __init__(self, do: Do) -> None:
        self._do = do
        self.begun: list[str] = []
        self.cancelled: list[str] = []

    async def run(self, work: JobContext) -> JobResult:
        self.begun.append(work.job.id)
        try:
            return await self._do(work)
        except asyncio.CancelledError:
            self.cancelled.append(work.job.id)
            raise


async def forever(work: JobContext) -> JobResult:
    await asyncio.Event().wait()
    raise AssertionError


async def at_once(work: JobContext) -> JobResult:
    return JobResult("succeeded", {"fence": work.fence})


@asynccontextmanager
async def working(office: Office, do: Do, **options: Any) -> AsyncIterator[tuple[JobWorker, Doing]]:
    doing = Doing(do)
    options = {"name": "w1", "pace": QUICK, "lease_s": LEASE_S, **options}
    worker = JobWorker(office.store, [doing], clock=office.clock, **options)
    await worker.start()
    try:
        yield worker, doing
    finally:
        await worker.close()


async def ended(office: Office, id: str, tenant: str = "acme") -> str:
    job = await answer(lambda: office.store.get(tenant, id), lambda job: job.ended)
    return job.state


async def failed_once(office: Office, id: str) -> None:
    await answer(lambda: office.store.get("acme", id), lambda job: job.problem)
