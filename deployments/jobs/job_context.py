"""What a handler is given: deployments/contracts/jobs.py: Work, over a lease.

Flows in: how the work stands. Flows out: rows, through the store. Progress is precious to nobody,
so it is written seldom and dropped while the store is away; all else is tried again until the
lease is lost.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from cluster.runtime.clock import Clock
from cluster.storage.database import DatabaseUnavailable
from deployments.contracts.jobs import Also, Job, JobLease, JobOutput, PartState
from deployments.jobs.store import JobStore

T = TypeVar("T")
REPORT_S = 0.5  # between two writes of progress


class Persist(Protocol):
    """Repeats a write while the store is away; raises LeaseLost once the lease has run out."""

    async def __call__(self, write: Callable[[], Awaitable[T]]) -> T: ...


class LeasedJobContext:
    """One attempt's view of its job."""

    def __init__(
        self,
        store: JobStore,
        lease: JobLease,
        checkpoints: dict[str, Any],
        clock: Clock,
        persist: Persist,
    ) -> None:
        self._store = store
        self._lease = lease
        self._checkpoints = checkpoints
        self._clock = clock
        self._persist = persist
        self._job = lease.job
        self._written = -REPORT_S + clock.monotonic()

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
        now = self._clock.monotonic()
        if stage == self._job.stage and now - self._written < REPORT_S:
            return
        self._written = now
        try:
            self._job = await self._store.report(self._lease, stage, percent)
        except DatabaseUnavailable:
            return

    async def checkpoint(self, name: str, data: Any, also: Also | None = None) -> None:
        await self._persist(lambda: self._store.checkpoint(self._lease, name, data, also))
        self._checkpoints[name] = data

    async def part(
        self, number: int, state: PartState, data: Mapping[str, Any], also: Also | None = None
    ) -> None:
        await self._persist(lambda: self._store.set_part(self._lease, number, state, data, also))

    async def parts(self) -> tuple[JobOutput, ...]:
        return await self._persist(lambda: self._store.parts(self._job.tenant, self._job.id))
