"""Runs reindexings: copies the points of a collection with new vectors, then switches to them.

In: a job of kind `reindex`. Out: the collection's next generation. A batch of points is written
together with what its vectors cost and the job's fence, so a worker that is killed costs a
repetition of the calls of its last moment, and no charge.
"""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.generations import GenerationRepository
from cluster.collections.model import Collection, CollectionMetric, Point, PointDraft
from cluster.collections.vectors import dimensions_of, pack_vectors
from cluster.events.kinds import EventKind
from cluster.events.outbox import publish
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, InvalidRequest, NotFound, Problem
from cluster.storage.database import Database
from cluster.usage.collected_usage import CollectedUsage, CollectedUsageStore
from deployments.collections.reindex_job import REINDEX, ReindexSpec
from deployments.contracts.embedding import Vectors
from deployments.contracts.jobs import Job, JobContext, JobResult

BATCH = 32  # points of one call of the model
FREE_ROUNDS = 5  # switches that find further points, before writers are asked to wait
COPIED, SWITCHED = "copied", "switched"  # checkpoints


class JobEmbedder(Protocol):
    """Makes vectors for a job (deployments/ingress/job_embedder.py)."""

    async def embed_for(
        self,
        job: Job,
        model: str,
        texts: Sequence[str],
        dimensions: int | None,
        tags: tuple[str, ...],
        usage: CollectedUsage,
    ) -> Vectors:
        """As the key or user that ordered the job, at the time of the call; texts that are too
        long for the model are cut. What it costs is in `usage`. Raises what embedding raises."""
        ...


class ReindexHandler:
    """Implements JobHandler."""

    kind = REINDEX

    def __init__(
        self,
        database: Database,
        generations: GenerationRepository,
        embedder: JobEmbedder,
        usage: CollectedUsageStore,
        clock: Clock,
    ) -> None:
        self._database = database
        self._generations = generations
        self._embedder = embedder
        self._usage = usage
        self._clock = clock

    async def run(self, work: JobContext) -> JobResult:
        """Raises NotFound for a collection that was deleted, InvalidRequest for points without
        texts, and what embedding raises."""
        spec = ReindexSpec.of(work.job)
        try:
            while (result := await self._round(work, spec)) is None:
                pass
        except Problem as problem:
            if problem.status < 500 and not isinstance(problem, NotFound):
                async with self._database.begin() as connection:
                    await self._generations.abandon(
                        connection, work.job.tenant, spec.collection, work.job.id
                    )
            raise
        return result

    async def _round(self, work: JobContext, spec: ReindexSpec) -> JobResult | None:
        """Copies what there is to copy, then tries to switch; None: points have come meanwhile."""
        job = work.job
        if SWITCHED in work.checkpoints:  # and the worker was killed before the job's end
            return JobResult("succeeded", work.checkpoints[SWITCHED])
        async with self._database.read() as connection:
            found = await self._generations.under_way(
                connection, job.tenant, spec.collection, job.id
            )
            if found is None:
                raise Conflict("Another job reindexes the collection now.")
            copied = await self._generations.copied(connection, found)
            left = await self._generations.left(connection, found, copied)
        while left:
            async with self._database.read() as connection:
                some = await self._generations.changed(connection, found, copied, BATCH)
            if not some:
                break
            await self._copy(work, spec, found, some)
            copied, left = some[-1].sequence, left - len(some)
            await work.report("points", 99.0 * self._done(work) / max(1, found.points))
        return await self._switch(work, spec, found)

    async def _copy(
        self, work: JobContext, spec: ReindexSpec, collection: Collection, some: Sequence[Point]
    ) -> None:
        usage, state = CollectedUsage(), dict(work.checkpoints.get(COPIED, {}))
        try:
            drafts = await self._drafts(work.job, spec, collection, some, usage)
        except BaseException:
            usage.drop()
            raise
        vectors = [each.vector for each in drafts.values() if each.vector is not None]
        dimensions = int(state.get("dimensions", 0)) or (
            dimensions_of(vectors[0]) if vectors else 0
        )
        copies = [(point, drafts.get(point.id)) for point in some]

        async def write(connection: AsyncConnection) -> None:
            await self._generations.copy(connection, collection, dimensions, copies)
            await self._usage.store_collected(connection, [usage])

        points = int(state.get("points", 0)) + len(drafts)
        state |= {"dimensions": dimensions, "points": points}
        await work.checkpoint(COPIED, state, write)
        self._usage.confirm_collected([usage])

    async def _drafts(
        self,
        job: Job,
        spec: ReindexSpec,
        collection: Collection,
        some: Sequence[Point],
        usage: CollectedUsage,
    ) -> dict[str, PointDraft]:
        """With new vectors, by id; tombstones have none."""
        live = [each for each in some if not each.deleted]
        for point in live:
            if not point.text:
                raise InvalidRequest(f"Point '{point.id}' has no text, so no vector can be made.")
        if not live:
            return {}
        vectors = await self._embedder.embed_for(
            job, spec.model, [each.text for each in live], spec.dimensions or None, spec.tags, usage
        )
        packed = _packed(vectors, collection.metric, live)
        return {
            point.id: PointDraft(point.id, point.text, point.payload, vector)
            for point, vector in zip(live, packed, strict=True)
        }

    async def _switch(
        self, work: JobContext, spec: ReindexSpec, collection: Collection
    ) -> JobResult | None:
        job, state = work.job, dict(work.checkpoints.get(COPIED, {}))
        rounds = int(state.get("rounds", 0)) + 1
        async with self._database.read() as connection:
            current = await self._generations.under_way(
                connection, job.tenant, collection.id, job.id
            )
            if current is None:
                raise Conflict("Another job reindexes the collection now.")
            copied = await self._generations.copied(connection, current)
            is_behind = bool(await self._generations.changed(connection, current, copied, 1))
        if is_behind:
            await work.checkpoint(COPIED, state | {"rounds": rounds})
            if rounds > FREE_ROUNDS:
                async with self._database.begin() as connection:
                    await self._generations.pause(connection, job.tenant, collection.id)
            return None
        data = {"collection": collection.id, "model": spec.model, "points": current.points}
        dimensions = int(state.get("dimensions", 0)) or spec.dimensions

        async def switch(connection: AsyncConnection) -> None:
            made = await self._generations.finish(
                connection, current, job.id, spec.model, dimensions
            )
            if made is None:
                raise _PointsLeft
            payload = {"id": made.id, "name": made.name, "job": job.id, "model": spec.model}
            kind = EventKind.COLLECTION_REINDEXED
            await publish(connection, self._clock, job.tenant, kind, payload)

        try:
            await work.checkpoint(SWITCHED, data, switch)
        except _PointsLeft:
            return None
        return JobResult("succeeded", data)

    def _done(self, work: JobContext) -> int:
        return int(work.checkpoints.get(COPIED, {}).get("points", 0))


class _PointsLeft(Exception):
    """They came between a look and the lock; nothing was written."""


def _packed(vectors: Vectors, metric: CollectionMetric, points: Sequence[Point]) -> list[bytes]:
    packed: list[bytes] = []
    for point, vector in zip(points, pack_vectors(vectors, metric), strict=True):
        if isinstance(vector, str):
            raise InvalidRequest(f"The vector of point '{point.id}' {vector}.")
        packed.append(vector)
    return packed
