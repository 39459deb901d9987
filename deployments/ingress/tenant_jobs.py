"""Jobs that ingress replicas run themselves, because they make requests of tenants or change what
only the ingress knows: batches, exports, erasures.

In: handlers. Out: a worker over the store that the workers of recordings use too. Every replica has
one; a job whose replica dies goes on in another.
"""

from collections.abc import Sequence

from cluster.runtime.clock import Clock
from deployments.contracts.jobs import JobHandler
from deployments.jobs.store import JobStore
from deployments.jobs.worker import JobWorker, WorkerTimings

CONCURRENCY = 16  # jobs of a replica; most of their time is waiting
SLOWEST_S = 2.0  # between polls that find nothing; a replica that gets an order looks at once


class TenantJobs:
    """`start` it after the services that its handlers call; `close` it before them."""

    def __init__(
        self, store: JobStore, replica: str, clock: Clock, pace: WorkerTimings | None = None
    ) -> None:
        self.store = store
        self._pace = pace
        self._replica = replica
        self._clock = clock
        self._worker: JobWorker | None = None

    def install(self, handlers: Sequence[JobHandler]) -> None:
        """What it runs; once, before it is started."""
        self._worker = JobWorker(
            self.store,
            handlers,
            self._replica,
            self._clock,
            concurrency=CONCURRENCY,
            pace=self._pace or WorkerTimings(slowest_s=SLOWEST_S),
        )

    def wake(self) -> None:
        """A job was added: look for it now."""
        if self._worker is not None:
            self._worker.wake()

    async def start(self) -> None:
        if self._worker is not None:
            await self._worker.start()

    async def close(self) -> None:
        """Jobs that run here are released, for other replicas."""
        if self._worker is not None:
            await self._worker.close()
