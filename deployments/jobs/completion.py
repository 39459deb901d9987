"""How a job ends: once, with its state, its event, its charge and its news in one transaction.

Flows in: a transaction that holds a job's row, and how it came out. Flows out: the ended job. Who
may end it is decided elsewhere.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.tables import job_checkpoints, jobs
from cluster.usage.ledger import record
from deployments.contracts.jobs import Job, JobResult, JobState
from deployments.jobs.retries import stored_problem
from deployments.jobs.transition import transition
from deployments.jobs.webhook_events import publish_job_ended

AtEnd = Callable[[AsyncConnection, Job], Awaitable[None]]


async def no_op(connection: AsyncConnection, job: Job) -> None:
    """For whoever has nothing to do when a job ends."""


class JobCompletion:
    """`at_end` runs in the transaction of every end, whichever way: to give back what was
    reserved, for example.
    """

    def __init__(self, clock: Clock, at_end: AtEnd = no_op) -> None:
        self._clock = clock
        self._at_end = at_end

    async def succeed(self, connection: AsyncConnection, job: Job, result: JobResult) -> Job:
        """Succeeded, or partly so; what it used is charged here and nowhere else."""
        if result.charge is not None:
            await record(connection, result.charge)
        values = {"result": dict(result.data), "problem": None, "percent": 100.0}
        return await self._end(connection, job, result.state, {"percent": 100.0}, values)

    async def failed(self, connection: AsyncConnection, job: Job, problem: Problem) -> Job:
        """For good: no attempt follows."""
        why = stored_problem(problem, retryable=False)
        return await self._end(connection, job, "failed", {"problem": why}, {"problem": why})

    async def canceled(self, connection: AsyncConnection, job: Job) -> Job:
        return await self._end(connection, job, "canceled", {}, {"cancel_asked": True})

    async def _end(
        self,
        connection: AsyncConnection,
        job: Job,
        state: JobState,
        said: Mapping[str, Any],
        values: Mapping[str, Any],
    ) -> Job:
        now = self._clock.wall()
        ended = await transition(
            connection, job, now, state, said,
            state=state, ended=now, expires=now + jobs.c.keep_s, worker=None, leased=None, **values,
        )  # fmt: skip
        await connection.execute(delete(job_checkpoints).where(job_checkpoints.c.job == job.id))
        await publish_job_ended(connection, self._clock, ended)
        await self._at_end(connection, ended)
        return ended
