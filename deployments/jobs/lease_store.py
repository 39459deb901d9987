"""What a worker may do to a job under its lease; every write checks its fence.

Flows in: leases. Flows out: rows, events, news; LeaseLost to whoever comes late. Raises StoreDown
where the store is away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, false, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.database import Database
from cluster.storage.tables import job_checkpoints, job_parts, jobs
from deployments.contracts.jobs import Also, Job, JobLease, JobResult, PartState
from deployments.jobs import dequeue, fair_queueing, queries
from deployments.jobs.completion import JobCompletion
from deployments.jobs.retries import RetryPolicy, is_final, stored_problem
from deployments.jobs.transition import lock_leased_job, transition
from deployments.jobs.webhook_events import publish_output_ready

Held = Mapping[tuple[str, int], bool]  # by job and fence
_HELD = (jobs.c.id, jobs.c.fence, jobs.c.cancel_asked)


class LeaseStore:
    """`random` spreads retries."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        random: Random,
        retries: RetryPolicy,
        ends: JobCompletion,
    ) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._retries = retries
        self._ends = ends

    async def renew(self, lease: JobLease, lease_s: float) -> JobLease:
        """Until `lease_s` from now; its job tells whether cancelling was asked for."""
        async with self._database.begin() as connection:
            job, until = await lock_leased_job(connection, lease), self._clock.wall() + lease_s
            await connection.execute(update(jobs).where(_is_one_of([lease])).values(leased=until))
        return replace(lease, job=job, until=until)

    async def renew_all(self, leases: Sequence[JobLease], lease_s: float) -> Held:
        """One statement for all: the leases still held, and whether cancelling was asked for."""
        until = self._clock.wall() + lease_s
        longer = update(jobs).where(_is_one_of(leases)).values(leased=until)
        async with self._database.begin() as connection:
            return _held(await connection.execute(longer.returning(*_HELD)))

    async def check(self, leases: Sequence[JobLease]) -> Held:
        """The same without renewing."""
        async with self._database.read() as connection:
            return _held(await connection.execute(select(*_HELD).where(_is_one_of(leases))))

    async def report(self, lease: JobLease, stage: str, percent: float) -> Job:
        """Percent never falls, whatever is said."""
        async with self._database.begin() as connection:
            job = await lock_leased_job(connection, lease)
            new = {"stage": stage, "percent": max(job.percent, min(percent, 100.0))}
            return await transition(connection, job, self._clock.wall(), "progress", new, **new)

    async def checkpoints(self, lease: JobLease) -> dict[str, Any]:
        """What was kept, by name."""
        async with self._database.read() as connection:
            return await queries.checkpoints(connection, lease.job)

    async def checkpoint(
        self, lease: JobLease, name: str, data: Any, also: Also | None = None
    ) -> None:
        """Keep `data` under `name` for later attempts; `also` in the same transaction."""
        async with self._database.begin() as connection:
            job = await lock_leased_job(connection, lease)
            row = {"job": job.id, "name": name, "data": data}
            dialect = _dialect(connection)
            kept_one = dialect.insert(job_checkpoints).values(row)
            changed = kept_one.on_conflict_do_update(
                index_elements=["job", "name"], set_={"data": kept_one.excluded.data}
            )
            await connection.execute(changed)
            if also is not None:
                await also(connection)

    async def set_part(
        self,
        lease: JobLease,
        number: int,
        state: PartState,
        data: Mapping[str, Any],
        also: Also | None = None,
    ) -> None:
        """How part `number` stands; one that is ready is told of once."""
        async with self._database.begin() as connection:
            job, now = await lock_leased_job(connection, lease), self._clock.wall()
            row = {"state": state, "data": dict(data), "updated": now}
            key = {"job": job.id, "number": number, "tenant": job.tenant}
            part = _dialect(connection).insert(job_parts).values(**key, **row)
            await connection.execute(
                part.on_conflict_do_update(index_elements=["job", "number"], set_=row)
            )
            await transition(connection, job, now, "part", {"number": number, "state": state})
            if state == "ready":
                await publish_output_ready(connection, self._clock, job, number)
            if also is not None:
                await also(connection)

    async def finish(self, lease: JobLease, result: JobResult, also: Also | None = None) -> Job:
        """The good end; its charge is entered with it, so exactly once."""
        async with self._database.begin() as connection:
            job = await lock_leased_job(connection, lease)
            if also is not None:
                await also(connection)
            return await self._ends.succeed(connection, job, result)

    async def fail(self, lease: JobLease, problem: Problem) -> Job:
        """Another attempt later, or the end: cancelled, not worth trying, or tried too often."""
        async with self._database.begin() as connection:
            job = await lock_leased_job(connection, lease)
            if job.cancel_asked:
                return await self._ends.canceled(connection, job)
            if is_final(problem) or job.attempts >= job.max_attempts:
                return await self._ends.failed(connection, job, problem)
            pause = self._retries.pause(job.attempts, problem, self._random)
            return await dequeue.requeue(
                connection, job, self._clock.wall(),
                reason=problem.slug, pause_s=pause, problem=stored_problem(problem, retryable=True),
            )  # fmt: skip

    async def confirm_cancel(self, lease: JobLease) -> Job:
        """The end of a job whose worker has cancelled it."""
        async with self._database.begin() as connection:
            return await self._ends.canceled(connection, await lock_leased_job(connection, lease))

    async def release(self, lease: JobLease) -> Job:
        """Give it back untried: it waits again, and neither an attempt nor a turn is counted."""
        async with self._database.begin() as connection:
            job = await lock_leased_job(connection, lease)
            if job.cancel_asked:
                return await self._ends.canceled(connection, job)
            await fair_queueing.refund_virtual_time(connection, job.tenant, job.cost / job.weight)
            now, fewer = self._clock.wall(), job.attempts - 1
            return await dequeue.requeue(connection, job, now, reason="released", attempts=fewer)


def _held(rows: Iterable[Row[Any]]) -> Held:
    return {(row.id, row.fence): bool(row.cancel_asked) for row in rows}


def _is_one_of(leases: Sequence[JobLease]) -> ColumnElement[bool]:
    """The rows that `leases` still hold."""
    return or_(
        false(),
        *(
            and_(
                jobs.c.tenant == each.job.tenant,
                jobs.c.id == each.job.id,
                jobs.c.fence == each.fence,
                jobs.c.worker == each.worker,
                jobs.c.state == "running",
            )
            for each in leases
        ),
    )


def _dialect(connection: AsyncConnection) -> Any:
    return postgresql if connection.dialect.name == "postgresql" else sqlite
