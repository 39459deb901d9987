"""What webhooks are told of jobs: rows of the outbox, in the transaction of what they tell.

Flows in: a job that ended, or a part of one that is ready. Flows out: one event each, however often
it is told. Says nothing of what is in them.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.events.kinds import EventKind
from cluster.events.outbox import publish
from cluster.runtime.clock import Clock
from deployments.contracts.jobs import Job

PARTS: Mapping[str, EventKind] = {"video.clips": EventKind.CLIP_READY}  # by kind of job


async def publish_job_ended(connection: AsyncConnection, clock: Clock, job: Job) -> None:
    said = {"id": job.id, "work": job.kind, "subject": job.subject, "attempts": job.attempts}
    if job.state == "failed" and job.problem is not None:
        said |= {"problem": job.problem["slug"], "status": job.problem["status"]}
    await publish(connection, clock, job.tenant, f"job.{job.state}", said, once=job.id)


async def publish_output_ready(
    connection: AsyncConnection, clock: Clock, job: Job, number: int
) -> None:
    """Nothing for kinds of jobs whose parts are of no use by themselves."""
    kind = PARTS.get(job.kind)
    if kind is not None:
        said = {"job": job.id, "number": number, "video": job.subject}
        await publish(connection, clock, job.tenant, kind, said, once=f"{job.id}:{number}")
