"""A worker's writes to a job under its lease; every write checks the fence.

Flows in: leases. Flows out: rows and events; LeaseLost for a worker that comes late. Raises
DatabaseUnavailable.
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
from deployments.contracts.jobs import Job, JobLease, JobResult, PartState, WriteInTransaction
from deployments.jobs import dequeue, fair_queueing, queries
from deployments.jobs.completion import JobCompletion, publish_output_ready
from deployments.jobs.job_rows import lock_leased_job, transition
from deployments.jobs.retries import RetryPolicy, is_final, stored_problem

# By job and fence of the leases still held: whether cancellation was requested.
HeldLeases = Mapping[tuple[str, int], bool]
_HELD_COLUMNS = (jobs.c.id, jobs.c.fence, jobs.c.cancel_asked)


class LeaseStore:
    """`random` spreads retries."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        random: Random,
        retries: RetryPolicy,
        completion: JobCompletion,
    ) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._retries = retries
        self._completion = completion

    async def renew(self, lease: JobLease, lease_s: float) -> JobLease:
        """Until `lease_s` from now; its job shows whether cancellation was requested."""
        async with self._database.begin() as connection:
            job, until = await lock_leased_job(connection, lease), self._clock.wall() + lease_s
            await connection.execute(update(jobs).where(_is_one_of([lease])).values(leased=until))
        return replace(lease, job=job, until=until)

    async def renew_all(self, leases: Sequence[JobLease], lease_s: float) -> HeldLeases:
        """Renew in one statement; those that are still held."""
        until = self._clock.wall() + lease_s
        renewal = update(jobs).where(_is_one_of(leases)).values(leased=until)
        async with self._database.begin() as connection:
            return _held_leases(await connection.execute(renewal.returning(*_HELD_COLUMNS)))

    async def check(self, leases: Sequence[JobLease]) -> HeldLeases:
        """The same without renewing."""
        async with self._database.read() as connection:
            held = select(*_HELD_COLUMNS).where(_is_one_of(leases))
            return _held_leases(await connection.execute(held))

    async def report(self, lease: JobLease, stage: str, percent: float) -> Job:
        """Percent never falls, whatever is reported."""
        async with self._database.begin() as connection:
            job = await lock_leased_job(connection, lease)
            progress = {"stage": stage, "percent": max(job.percent, min(percent, 100.0))}
            now = self._clock.wall()
            return await transition(connection, job, now, "progress", progress, **progress)

    async def checkpoints(self, lease: JobLease) -> dict[str, Any]:
        """By name."""
        async with self._database.read() as connection:
            return await queries.checkpoints(connection, lease.job)

    async def checkpoint(
        self, lease: JobLease, name: str, data: Any, also: WriteInTransaction | None = None
    ) -> None:
        """Store `data` under `name` for later attempts; `also` in the same transaction."""
        async with self._database.begin() as connection:
            job = await lock_leased_job(connection, lease)
            row = {"job": job.id, "name": name, "data": data}
            dialect = _dialect(connection)
            insertion = dialect.insert(job_checkpoints).values(row)
            upsert = insertion.on_conflict_do_update(
                index_elements=["job", "name"], set_={"data": insertion.excluded.data}
            )
            await connection.execute(upsert)
            if also is not None:
                await also(connection)

    async def set_part(
        self,
        lease: JobLease,
        number: int,
        state: PartState,
        data: Mapping[str, Any],
        also: WriteInTransaction | None = None,
    ) -> None:
        """Set the state of output `number`; a ready one is published once."""
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

    async def finish(
        self, lease: JobLease, result: JobResult, also: WriteInTransaction | None = None
    ) -> Job:
        """End it with a result, whose charge is entered with it, so exactly once."""
        async with self._database.begin() as connection:
            job = await lock_leased_job(connection, lease)
            if also is not None:
                await also(connection)
            return await self._completion.succeed(connection, job, result)

    async def fail(self, lease: JobLease, problem: Problem) -> Job:
        """Another attempt later, or the end: cancelled, not retryable, or out of attempts."""
        async with self._database.begin() as connection:
            job = await lock_leased_job(connection, lease)
            if job.cancel_asked:
                return await self._completion.cancel(connection, job)
            if is_final(problem) or job.attempts >= job.max_attempts:
                return await self._completion.fail(connection, job, problem)
            pause = self._retries.pause(job.attempts, problem, self._random)
            return await dequeue.requeue(
                connection, job, self._clock.wall(),
                reason=problem.slug, pause_s=pause, problem=stored_problem(problem, retryable=True),
            )  # fmt: skip

    async def confirm_cancel(self, lease: JobLease) -> Job:
        """The end of a job whose worker has cancelled it."""
        async with self._database.begin() as connection:
            return await self._completion.cancel(
                connection, await lock_leased_job(connection, lease)
            )

    async def release(self, lease: JobLease) -> Job:
        """Return it untried: it waits again, and neither the attempt nor its cost is counted."""
        async with self._database.begin() as connection:
            job = await lock_leased_job(connection, lease)
            if job.cancel_asked:
                return await self._completion.cancel(connection, job)
            await fair_queueing.refund_virtual_time(connection, job.tenant, job.cost / job.weight)
            now, attempts = self._clock.wall(), job.attempts - 1
            return await dequeue.requeue(connection, job, now, reason="released", attempts=attempts)


def _held_leases(rows: Iterable[Row[Any]]) -> HeldLeases:
    return {(row.id, row.fence): bool(row.cancel_asked) for row in rows}


def _is_one_of(leases: Sequence[JobLease]) -> ColumnElement[bool]:
    """The rows that `leases` still hold."""
    return or_(
        false(),
        *(
            and_(
                jobs.c.tenant == lease.job.tenant,
                jobs.c.id == lease.job.id,
                jobs.c.fence == lease.fence,
                jobs.c.worker == lease.worker,
                jobs.c.state == "running",
            )
            for lease in leases
        ),
    )


def _dialect(connection: AsyncConnection) -> Any:
    return postgresql if connection.dialect.name == "postgresql" else sqlite
