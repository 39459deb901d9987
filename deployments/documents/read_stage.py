"""The part of a document job that reads: pages in, blocks in the database.

Blocks are written some pages at a time, in one transaction with a checkpoint and the charge for the
pages; so an attempt after a crash goes on after the last page that was written, and no page is
charged twice. Each such step is a part of the job, so that what is there can be used.
"""

from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.usage.collected_usage import CollectedUsage, CollectedUsageStore
from deployments.contracts.documents import (
    DocumentBlock,
    DocumentFacts,
    DocumentReader,
    ReadDocumentRequest,
)
from deployments.contracts.jobs import JobContext
from deployments.documents.model import MAX_TITLE
from deployments.documents.ports import DocumentCalls, ReadingCall
from deployments.documents.store import DocumentStore

PAGES_A_STEP = 20
CHARACTERS_A_STEP = 400_000
STEP_S = 2.0  # no page waits longer to be written
READ = "read"  # the checkpoint
FETCHED_PERCENT, READ_PERCENT = 10.0, 60.0
MAX_NOTES = 20


@dataclass(slots=True)
class ReadingState:
    """What is written so far."""

    pages_done: int = 0
    blocks: int = 0
    characters: int = 0
    steps: int = 0
    is_complete: bool = False
    notes: list[str] = field(default_factory=list)


class ReadStage:
    """Of one process."""

    def __init__(
        self,
        store: DocumentStore,
        reader: DocumentReader,
        calls: DocumentCalls,
        usage: CollectedUsageStore,
        clock: Clock,
    ) -> None:
        self._store = store
        self._reader = reader
        self._calls = calls
        self._usage = usage
        self._clock = clock

    async def run(
        self, work: JobContext, document: str, request: ReadDocumentRequest
    ) -> ReadingState:
        """Raises what the reader raises, DocumentQuotaExceeded, and what limits raise. The caller
        and the first page of `request` are set here."""
        state = ReadingState(**work.checkpoints.get(READ, {}))
        if state.is_complete:
            return state
        async with self._calls.reading(work.job) as call:
            request = replace(request, caller=call.caller, first_page=state.pages_done + 1)
            step = _ReadStep(work, document, state)
            began = self._clock.monotonic()
            async with aclosing(self._reader.read_document(request)) as parts:
                async for part in parts:
                    if part.facts is not None:
                        await call.reserve(max(0, part.facts.pages - state.pages_done))
                        step.facts = part.facts
                    done = step.pages_done
                    step.add(part.blocks, part.pages_done, part.notes)
                    if step.pages_done == done:
                        continue  # a page may come in several parts, and is written as a whole
                    if step.is_due or self._clock.monotonic() - began >= STEP_S:
                        await self._write(step, call)
                        began = self._clock.monotonic()
            step.is_last = True
            await self._write(step, call)
        return state

    async def _write(self, step: "_ReadStep", call: ReadingCall) -> None:
        state, work = step.state, step.work
        pages = max(0, step.pages_done - state.pages_done)
        if not pages and not step.is_last:
            return
        after = ReadingState(
            max(state.pages_done, step.pages_done),
            state.blocks + len(step.blocks),
            state.characters + step.characters,
            state.steps + 1,
            step.is_last,
            step.notes,
        )
        charge = call.used(pages)

        async def write(connection: AsyncConnection) -> None:
            await self._write_step(connection, step, after, charge)

        await work.checkpoint(READ, asdict(after), write)
        self._usage.confirm_collected([charge])
        for name in ReadingState.__slots__:
            setattr(state, name, getattr(after, name))
        total = max(1, state.pages_done if step.facts is None else step.facts.pages)
        share = min(1.0, state.pages_done / total)
        if pages:
            part = {"first_page": state.pages_done - pages + 1, "last_page": state.pages_done}
            await work.part(state.steps, "ready", part)
        await work.report("reading", FETCHED_PERCENT + (READ_PERCENT - FETCHED_PERCENT) * share)
        step.clear()

    async def _write_step(
        self,
        connection: AsyncConnection,
        step: "_ReadStep",
        after: ReadingState,
        charge: CollectedUsage,
    ) -> None:
        store, tenant = self._store, step.work.job.tenant
        await store.check_room(connection, tenant, step.characters)
        first = after.blocks - len(step.blocks)
        await store.add_blocks(connection, tenant, step.document, first, step.blocks)
        values: dict[str, Any] = {"blocks": after.blocks, "characters": after.characters}
        if step.facts is not None:
            values |= facts_columns(step.facts)
        await store.change(connection, tenant, step.document, **values)
        await self._usage.store_collected(connection, [charge])


def facts_columns(facts: DocumentFacts) -> dict[str, Any]:
    """Columns of a document that its reading begins with."""
    return {
        "format": facts.format,
        "by": facts.by,
        "title": facts.title[:MAX_TITLE],
        "pages": facts.pages,
        "bytes": facts.bytes,
    }


@dataclass(slots=True)
class _ReadStep:
    """What is read and not written yet."""

    work: JobContext
    document: str
    state: ReadingState
    facts: DocumentFacts | None = None
    blocks: list[DocumentBlock] = field(default_factory=list)
    characters: int = 0
    pages_done: int = 0
    notes: list[str] = field(default_factory=list)
    is_last: bool = False

    def __post_init__(self) -> None:
        self.pages_done, self.notes = self.state.pages_done, list(self.state.notes)

    def add(
        self, blocks: tuple[DocumentBlock, ...], pages_done: int, notes: tuple[str, ...]
    ) -> None:
        self.blocks += blocks
        self.characters += sum(len(block.text) for block in blocks)
        self.pages_done = max(self.pages_done, pages_done)
        self.notes = list(dict.fromkeys([*self.notes, *notes]))[:MAX_NOTES]

    @property
    def is_due(self) -> bool:
        pages = self.pages_done - self.state.pages_done
        return pages >= PAGES_A_STEP or self.characters >= CHARACTERS_A_STEP

    def clear(self) -> None:
        self.blocks, self.characters = [], 0
