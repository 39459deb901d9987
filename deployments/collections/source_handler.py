"""Runs jobs of kind `index`: posts of the library and transcripts become points of a collection.

In: a job. Out: points, some at a time, each written with what its vector cost and the job's fence;
an attempt after a crash goes on after the last that were written. What is there already is
replaced, as ids of points are those of their sources.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.model import CollectionChanged, CollectionPaused, PointDraft
from cluster.collections.points import PointRepository
from cluster.collections.repository import CollectionRepository
from cluster.collections.vectors import pack_vectors
from cluster.runtime.problems import InvalidRequest
from cluster.storage.database import Database
from cluster.usage.collected_usage import CollectedUsage, CollectedUsageStore
from deployments.collections.reindex_handler import JobEmbedder
from deployments.collections.source_job import INDEX, SourceReader, SourcesSpec, SourceText
from deployments.contracts.jobs import JobContext, JobResult

BATCH = 32  # texts of one call of the model
TRIES = 5  # of points whose collection is reindexed meanwhile
DONE = "done"  # the checkpoint


class IndexSourcesHandler:
    """Implements JobHandler."""

    kind = INDEX

    def __init__(
        self,
        database: Database,
        collections: CollectionRepository,
        points: PointRepository,
        reader: SourceReader,
        embedder: JobEmbedder,
        usage: CollectedUsageStore,
    ) -> None:
        self._database = database
        self._collections = collections
        self._points = points
        self._reader = reader
        self._embedder = embedder
        self._usage = usage

    async def run(self, work: JobContext) -> JobResult:
        """Raises NotFound for a collection or a recording that was deleted, CollectionsFull, and
        what reading and embedding raise."""
        spec = SourcesSpec.of(work.job)
        if spec.posts is not None:
            await self._index_posts(work, spec)
        for number, recording in enumerate(spec.recordings):
            if number >= self._state(work)["recordings"]:
                await self._index_recording(work, spec, number, recording)
        points = self._state(work)["points"]
        return JobResult("succeeded", {"collection": spec.collection, "points": points})

    def _state(self, work: JobContext) -> dict[str, Any]:
        begin = {"cursor": None, "posts_done": False, "recordings": 0, "passages": 0, "points": 0}
        return {**begin, **work.checkpoints.get(DONE, {})}

    async def _index_posts(self, work: JobContext, spec: SourcesSpec) -> None:
        while not (state := self._state(work))["posts_done"]:
            texts, cursor = await self._reader.posts(
                work.job, spec.posts or {}, state["cursor"], BATCH
            )
            state |= {"cursor": cursor, "posts_done": cursor is None}
            await self._write(work, spec, texts, state)
            await work.report("posts", 50.0)

    async def _index_recording(
        self, work: JobContext, spec: SourcesSpec, number: int, recording: str
    ) -> None:
        passages = await self._reader.recording(work.job, recording)
        while True:
            state = self._state(work)
            done = state["passages"]
            some = passages[done : done + BATCH]
            is_last = done + BATCH >= len(passages)
            state |= {"passages": 0 if is_last else done + BATCH}
            state |= {"recordings": number + int(is_last)}
            await self._write(work, spec, some, state)
            await work.report("recordings", 50.0 + 50.0 * number / len(spec.recordings))
            if is_last:
                return

    async def _write(
        self,
        work: JobContext,
        spec: SourcesSpec,
        texts: Sequence[SourceText],
        state: dict[str, Any],
    ) -> None:
        """The points of `texts`, and that they are done."""
        state |= {"points": state["points"] + len(texts)}
        for left in reversed(range(TRIES)):
            usage = CollectedUsage()
            try:
                await self._try(work, spec, texts, state, usage)
                return
            except CollectionPaused as problem:
                usage.drop()
                wait_s = float(problem.extensions.get("retry_after_s") or 1.0)
            except CollectionChanged:
                usage.drop()
                if not left:
                    raise
                continue
            except BaseException:
                usage.drop()
                raise
            await asyncio.sleep(min(wait_s, 10.0))

    async def _try(
        self,
        work: JobContext,
        spec: SourcesSpec,
        texts: Sequence[SourceText],
        state: dict[str, Any],
        usage: CollectedUsage,
    ) -> None:
        tenant = work.job.tenant
        async with self._database.read() as connection:
            collection = await self._collections.get(connection, tenant, spec.collection)
        packed: Sequence[bytes | str | None] = [None] * len(texts)
        if collection.model and texts:
            said = [each.text for each in texts]
            vectors = await self._embedder.embed_for(
                work.job, collection.model, said, collection.dimensions or None, spec.tags, usage
            )
            packed = pack_vectors(vectors, collection.metric)
        drafts = []
        for text, vector in zip(texts, packed, strict=True):
            if isinstance(vector, str):
                raise InvalidRequest(f"The vector of '{text.id}' {vector}.")
            drafts.append(PointDraft(text.id, text.text, text.payload, vector))

        async def write(connection: AsyncConnection) -> None:
            if drafts:
                await self._points.upsert(connection, tenant, collection, drafts)
            await self._usage.store_collected(connection, [usage])

        await work.checkpoint(DONE, state, write)
        self._usage.confirm_collected([usage])
