"""Writes outcomes of lines as segments: consecutive objects of an output and an error file.

In: outcomes of consecutive lines. Out: the objects, the state of the batch and the charge of its
lines, committed in one transaction under the job's fence: all of a segment, or nothing, and once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import Staged
from cluster.usage.collected_usage import CollectedUsageStore
from deployments.batches.file_batch_store import FileBatchState, FileBatchStore
from deployments.batches.handler import usage_of
from deployments.batches.model import MAX_AGE_S, BatchItem, BatchSpec, ItemOutcome
from deployments.contracts.jobs import Job, JobContext
from deployments.files.model import JSONL, NewFile
from deployments.files.store import FileStore, new_file_id

_SEGMENTS = "segments"  # the checkpoint
_LINE = (
    b'{"id":"batch_req_%s_%d","custom_id":%s,"response":{"status_code":%d,"request_id":%s,'
    b'"body":%s},"error":null}\n'
)


@dataclass(frozen=True, slots=True)
class EndedLine:
    """`end` is where the next line begins in the file."""

    item: BatchItem
    outcome: ItemOutcome
    end: int


@dataclass(frozen=True, slots=True)
class _OutputPart:
    """What a segment adds to one file. `id` is the file's; `is_first`: it begins it."""

    id: str
    is_first: bool
    content: bytes


class SegmentWriter:
    """For one attempt at a job; `state` is what is stored, `expired` the number of lines in it
    that were not called in time."""

    def __init__(
        self,
        work: JobContext,
        state: FileBatchState,
        batches: FileBatchStore,
        files: FileStore,
        usage: CollectedUsageStore,
    ) -> None:
        self.state = state
        self.expired = int(work.checkpoints.get(_SEGMENTS, {}).get("expired", 0))
        self._work = work
        self._batches = batches
        self._files = files
        self._usage = usage
        source = BatchSpec.of(work.job).source
        assert source is not None
        self._expires = work.job.created + MAX_AGE_S + source.keep_s

    async def write(self, ended: Sequence[EndedLine]) -> None:
        """Another attempt begins behind the last of these. Raises LeaseLost, StorageFull,
        BlobStoreUnavailable."""
        if not ended:
            return
        old, last = self.state, ended[-1]
        good = b"".join([_rendered(self._work.job, each) for each in ended if _is_good(each)])
        bad = b"".join([_rendered(self._work.job, each) for each in ended if not _is_good(each)])
        output = _part(old.output, good)
        errors = _part(old.error_output, bad)
        succeeded = sum(map(_is_good, ended))
        new = replace(
            old,
            segments=old.segments + 1,
            line=last.item.index + 1,
            position=last.end,
            succeeded=old.succeeded + succeeded,
            failed=old.failed + len(ended) - succeeded,
            output=old.output if output is None else output.id,
            error_output=old.error_output if errors is None else errors.id,
        )
        staged = [
            (part, await self._stage(part, old.segments)) for part in (output, errors) if part
        ]
        outcomes = [each.outcome for each in ended]
        job = self._work.job

        async def commit(connection: AsyncConnection) -> None:
            if not await self._batches.advance(connection, job.tenant, job.id, new):
                return  # by a commit whose answer was lost
            for part, object in staged:
                kind = "errors" if part is errors else "output"
                await self._files.grow(
                    connection,
                    None if part.is_first else part.id,
                    object,
                    _file_of(job, kind),
                    job.id,
                )
            await self._usage.store_collected(connection, usage_of(outcomes))

        expired = self.expired + sum(outcome.is_expired for outcome in outcomes)
        stored = {"count": new.segments, "expired": expired}
        await self._work.checkpoint(_SEGMENTS, stored, commit)
        self.state, self.expired = new, expired
        self._usage.confirm_collected(usage_of(outcomes))

    async def _stage(self, part: _OutputPart, number: int) -> Staged:
        return await self._files.stage(
            self._work.job.tenant, part.id, number, part.content, self._expires, JSONL
        )


def _part(file: str | None, content: bytes) -> _OutputPart | None:
    if not content:
        return None
    return _OutputPart(file or new_file_id(), file is None, content)


def _file_of(job: Job, kind: str) -> NewFile:
    return NewFile(job.tenant, job.key, "batch_output", f"{job.id}_{kind}.jsonl", JSONL)


def _is_good(line: EndedLine) -> bool:
    return line.outcome.state == "succeeded"


def _rendered(job: Job, line: EndedLine) -> bytes:
    """A line of an output file, in OpenAI's form."""
    item, outcome = line.item, line.outcome
    return _LINE % (
        job.id.encode(),
        item.index,
        orjson.dumps(item.custom_id),
        outcome.status,
        orjson.dumps(outcome.request_id),
        outcome.body,
    )
