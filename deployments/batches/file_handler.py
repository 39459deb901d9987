"""Runs batches whose lines are in a file: validates them all, calls them in order, some at a time,
and stores what comes as segments of output files.

In: a job of kind `batch.file`. Out: outcomes in the order of the lines. What is stored are all
lines up to one; a worker that is killed costs a repetition of the calls behind it, and no charge.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from sqlalchemy import select

from cluster.blobs.errors import StorageFull
from cluster.runtime.background import run_to_end
from cluster.runtime.clock import Clock
from cluster.storage.database import Database
from cluster.storage.tables import jobs
from cluster.usage.collected_usage import CollectedUsageStore
from deployments.batches.file_batch_store import FileBatchState, FileBatchStore
from deployments.batches.handler import has_result
from deployments.batches.item_calls import ItemCalls
from deployments.batches.jsonl import FileLine, read_lines
from deployments.batches.line_validation import InvalidBatchFile, item_of, validate_lines
from deployments.batches.model import (
    FILE_KIND,
    MAX_AGE_S,
    BatchItem,
    BatchSpec,
    FileSource,
    ItemOutcome,
)
from deployments.batches.pacing import PARALLEL, BatchPacer
from deployments.batches.segments import EndedLine, SegmentWriter
from deployments.contracts.jobs import Job, JobContext, JobResult
from deployments.files.model import TenantFile
from deployments.files.store import FileStore

LOOKAHEAD = 32  # lines that are called or wait for it, or for one before them
LOOKAHEAD_BYTES = 8 << 20  # of those lines and their results; at least one line
SEGMENT_S, SEGMENT_LINES, SEGMENT_BYTES = 2.0, 512, 4 << 20  # whichever comes first
STORAGE_S = 15.0  # between two tries to write where the plan's storage is full


@dataclass(frozen=True, slots=True)
class _OpenLine:
    item: BatchItem
    end: int
    call: "asyncio.Future[ItemOutcome]"

    def ended(self) -> EndedLine:
        return EndedLine(self.item, self.call.result(), self.end)

    @property
    def size(self) -> int:
        return len(self.item.body) + (len(self.call.result().body) if has_result(self.call) else 0)


class FileBatchHandler:
    """Implements JobHandler."""

    kind = FILE_KIND

    def __init__(
        self,
        database: Database,
        batches: FileBatchStore,
        files: FileStore,
        calls: ItemCalls,
        usage: CollectedUsageStore,
        clock: Clock,
        pacer: BatchPacer,
    ) -> None:
        self._database = database
        self._batches = batches
        self._files = files
        self._calls = calls
        self._usage = usage
        self._clock = clock
        self._pacer = pacer

    async def run(self, work: JobContext) -> JobResult:
        """Raises InvalidBatchFile, NotFound (the file was deleted), LeaseLost."""
        job, spec = work.job, BatchSpec.of(work.job)
        source = spec.source
        assert source is not None
        file = await self._files.get(job.tenant, source.file)
        state = await self._state(job)
        if state.validated is None:
            await self._validate(work, file, source)
            state = await self._state(job)
        writer = SegmentWriter(work, state, self._batches, self._files, self._usage)
        async with (
            aclosing(self._files.read(file, state.position)) as blocks,
            aclosing(read_lines(blocks, state.line, state.position)) as lines,
        ):
            await _FileRun(self, work, spec, source, writer, lines).run()
        ended = writer.state
        data = {
            "succeeded": ended.succeeded,
            "failed": ended.failed,
            "expired": writer.expired > 0,
        }
        return JobResult("partial" if ended.failed else "succeeded", data)

    async def _state(self, job: Job) -> FileBatchState:
        async with self._database.read() as connection:
            return await self._batches.get(connection, job.tenant, job.id)

    async def _validate(self, work: JobContext, file: TenantFile, source: FileSource) -> None:
        await work.report("validating", 0.0)
        job, now = work.job, self._clock.wall()
        async with (
            aclosing(self._files.read(file)) as blocks,
            aclosing(read_lines(blocks)) as lines,
        ):
            found = await validate_lines(lines, source.urls, self._clock, self._pacer.pause)
        if found.errors:
            errors = [each.to_json() for each in found.errors]
            await work.checkpoint(
                "refused",
                {"errors": len(errors)},
                lambda connection: self._batches.set_errors(connection, job.tenant, job.id, errors),
            )
            first = found.errors[0]
            where = "" if first.line is None else f"Line {first.line}: "
            raise InvalidBatchFile(f"{where}{first.message}", param="input_file_id")
        await work.checkpoint(
            "validated",
            {"at": now},
            lambda connection: self._batches.set_validated(
                connection, job.tenant, job.id, found.calls, self._clock.wall()
            ),
        )

    async def is_cancel_requested(self, job: Job) -> bool:
        """Whether the job is to end, and not to be continued elsewhere."""
        query = select(jobs.c.cancel_asked).where(jobs.c.tenant == job.tenant, jobs.c.id == job.id)
        async with self._database.read() as connection:
            return bool((await connection.execute(query)).scalar())

    def begin(
        self, job: Job, spec: BatchSpec, item: BatchItem, slots: asyncio.Semaphore
    ) -> "asyncio.Future[ItemOutcome]":
        return asyncio.ensure_future(self._calls.outcome(job, spec, item, slots))

    def is_over(self, job: Job) -> bool:
        return self._clock.wall() > job.created + MAX_AGE_S

    def now(self) -> float:
        return self._clock.monotonic()


class _FileRun:
    """Calls the lines that are left. `open` are those after the last that is in `ended`, in order;
    `ended` have outcomes that are not stored yet."""

    def __init__(
        self,
        handler: FileBatchHandler,
        work: JobContext,
        spec: BatchSpec,
        source: FileSource,
        writer: SegmentWriter,
        lines: AsyncIterator[FileLine],
    ) -> None:
        self._handler = handler
        self._work = work
        self._spec = spec
        self._source = source
        self._writer = writer
        self._lines = lines
        self._slots = asyncio.Semaphore(PARALLEL)
        self._open = deque[_OpenLine]()
        self._ended: list[EndedLine] = []
        self._ended_bytes = 0
        self._stored_at = handler.now()
        self._has_more = True

    async def run(self) -> None:
        try:
            while await self._fill():
                left_s = max(0.0, self._stored_at + SEGMENT_S - self._handler.now())
                await asyncio.wait([self._open[0].call], timeout=left_s if self._ended else None)
                self._take_ended()
                if self._is_segment():
                    await self._store()
            await self._store()
        except asyncio.CancelledError:
            await self._store_the_rest()
            raise
        finally:
            for line in self._open:
                line.call.cancel()
            await asyncio.gather(*(line.call for line in self._open), return_exceptions=True)

    async def _fill(self) -> bool:
        """Begin calls while there is room; whether any is open."""
        size = sum(line.size for line in self._open)
        while self._has_more and len(self._open) < LOOKAHEAD:
            if self._open and size > LOOKAHEAD_BYTES:
                break
            line = await anext(self._lines, None)
            if line is None:
                self._has_more = False
            elif line.content != b"":
                item = item_of(line, self._source.urls)
                call = self._handler.begin(self._work.job, self._spec, item, self._slots)
                self._open.append(_OpenLine(item, line.end, call))
                size += len(item.body)
        return bool(self._open)

    def _take_ended(self) -> None:
        while self._open and self._open[0].call.done():
            line = self._open.popleft().ended()
            self._ended.append(line)
            self._ended_bytes += len(line.outcome.body)

    def _is_segment(self) -> bool:
        return bool(self._ended) and (
            len(self._ended) >= SEGMENT_LINES
            or self._ended_bytes >= SEGMENT_BYTES
            or self._handler.now() - self._stored_at >= SEGMENT_S
        )

    async def _store(self) -> None:
        """A cancellation waits for it."""
        ended, self._ended, self._ended_bytes = self._ended, [], 0
        while True:
            try:
                await run_to_end(self._writer.write(ended))
                break
            except StorageFull:
                if self._handler.is_over(self._work.job):
                    raise
                self._ended = ended
                await self._work.report("storage-full", self._percent())
                await asyncio.sleep(STORAGE_S)
        self._ended = []
        self._stored_at = self._handler.now()
        await self._work.report("lines", self._percent())

    async def _store_the_rest(self) -> None:
        """What has an outcome. Where another worker goes on, all lines before the first without."""
        self._take_ended()
        if await self._handler.is_cancel_requested(self._work.job):
            later = [line for line in self._open if has_result(line.call)]
            self._ended += [line.ended() for line in later]
        await self._writer.write(self._ended)

    def _percent(self) -> float:
        state = self._writer.state
        return 100.0 * (state.succeeded + state.failed) / max(1, state.total)
