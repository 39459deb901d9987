"""Orders of reindexing: a job that makes a second generation of a collection's points.

In: an actor, a collection and a model. Out: the job, which is written with the mark in the
collection and the audit record in one transaction.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

from cluster.administration import Actor, Administration
from cluster.collections.generations import GenerationRepository
from cluster.collections.model import Collection, ReindexInProgress
from cluster.runtime.problems import NotFound
from cluster.tenants.caller import Priority
from deployments.contracts.jobs import ENDED, Job, NewJob
from deployments.jobs.store import JobStore

REINDEX = "reindex"
MAX_ATTEMPTS = 20
POINTS_PER_COST = 10


@dataclass(frozen=True, slots=True)
class ReindexSpec:
    """`dimensions` 0: those of the model."""

    collection: str
    model: str
    dimensions: int
    tags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "tags": list(self.tags)}

    @classmethod
    def of(cls, job: Job) -> Self:
        spec = job.spec
        return cls(spec["collection"], spec["model"], spec["dimensions"], tuple(spec["tags"]))


class ReindexOrders:
    """`wake` tells the worker of this process that a job was added."""

    def __init__(
        self, jobs: JobStore, generations: GenerationRepository, wake: Callable[[], None]
    ) -> None:
        self._jobs = jobs
        self._generations = generations
        self._wake = wake

    async def order(
        self,
        admin: Administration,
        actor: Actor,
        collection: Collection,
        model: str,
        dimensions: int,
        tags: tuple[str, ...] = (),
    ) -> Job:
        """Raises NotFound, ReindexInProgress."""
        tenant, caller = collection.tenant, actor.caller
        ended = await self._ended(collection)
        spec = ReindexSpec(collection.id, model, dimensions, tags)
        new = NewJob(
            tenant=tenant,
            kind=REINDEX,
            key=caller.key_id,
            spec=spec.to_json(),
            subject=collection.id,
            cost=1 + collection.points // POINTS_PER_COST,
            weight=caller.weight,
            priority=Priority.BATCH,
            max_attempts=MAX_ATTEMPTS,
            request_id=actor.request_id,
        )
        resource = f"collection:{collection.id}"
        async with admin.tenants.audited(actor, tenant, "collection.reindex", resource) as change:
            job = await self._jobs.create(change.connection, new)
            await self._generations.begin(change.connection, tenant, collection.id, job.id, ended)
            change.detail |= {"model": model, "job": job.id}
        self._wake()
        return job

    async def _ended(self, collection: Collection) -> str | None:
        """The job that made a generation and is over; None: there was none. Raises
        ReindexInProgress."""
        if collection.job is None:
            return None
        try:
            job = await self._jobs.get(collection.tenant, collection.job)
        except NotFound:
            return collection.job
        if job.state not in ENDED:
            raise ReindexInProgress(collection.id, collection.job)
        return collection.job
