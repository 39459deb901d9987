"""The handler of document jobs.

    fetching (of a URL) -> reading -> cutting into chunks -> indexing -> the document is indexed

Flows in: a job whose spec names a document. Flows out: its blocks, its chunks, points of
collections. An attempt after a crash goes on after the last pages, or points, that were written.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound, Problem
from cluster.storage.database import Database
from cluster.usage.collected_usage import CollectedUsage, CollectedUsageStore
from deployments.contracts.documents import (
    DOCUMENT_JOB,
    MAX_DOCUMENT_BYTES,
    DocumentLimits,
    ReadDocumentRequest,
)
from deployments.contracts.jobs import Job, JobContext, JobResult
from deployments.documents.chunking import chunk_blocks
from deployments.documents.figures import DocumentFigures
from deployments.documents.index_stage import IndexStage
from deployments.documents.job_spec import DocumentJobSpec, open_password
from deployments.documents.model import (
    DocumentPlace,
    StoredBlock,
    TenantDocument,
)
from deployments.documents.ports import DocumentCalls
from deployments.documents.read_stage import FETCHED_PERCENT, READ_PERCENT, ReadStage
from deployments.documents.store import KNOWN, DocumentStore
from deployments.video.url_download import IncomingStream, UrlDownloader

KEEP_S = 7 * 86_400.0
GRACE_S = 86_400.0  # files outlive their job
READ_S = 4 * 3_600.0  # of one document, at most
LANGUAGE_SAMPLE, SAMPLE_BLOCKS = 2_000, 30  # characters, and where they come from
_OCTETS = "application/octet-stream"
_ASSUMED_BYTES = 8 << 20
FETCHED, CHUNKED = "fetched", "chunked"  # checkpoints


@dataclass(frozen=True)
class DocumentParts:
    """What the handler works with. `secret_of` gives a tenant's secret."""

    database: Database
    store: DocumentStore
    files: TenantFiles
    read_stage: ReadStage
    index_stage: IndexStage
    calls: DocumentCalls
    usage: CollectedUsageStore
    downloader: UrlDownloader
    secret_of: Callable[[str], bytes]
    figures: DocumentFigures
    clock: Clock


class DocumentJobHandler:
    """Implements JobHandler."""

    kind = DOCUMENT_JOB

    def __init__(self, parts: DocumentParts) -> None:
        self._parts = parts

    async def run(self, work: JobContext) -> JobResult:
        """Raises the refusals of deployments/documents/reading/errors.py, DocumentQuotaExceeded,
        and as UrlDownloader.open does."""
        spec, tenant = DocumentJobSpec.of(work.job), work.job.tenant
        try:
            if spec.url:
                other = await self._fetch(work, spec)
                if other is not None:
                    return await self._as_other(work, spec, other)
            document = await self._get(tenant, spec.document)
            if document.state not in ("readable", "indexed"):
                document = await self._read(work, spec, document)
            return await self._index(work, document)
        except Problem as problem:
            if problem.status < 500:
                await self._fail(work.job, spec, problem)
            raise

    async def _fetch(self, work: JobContext, spec: DocumentJobSpec) -> TenantDocument | None:
        """The document that has the same bytes, if the tenant has one."""
        parts, tenant = self._parts, work.job.tenant
        if FETCHED not in work.checkpoints:
            await work.report("fetching", 0.0)
            expires = parts.clock.wall() + KEEP_S + GRACE_S
            async with parts.downloader.open(spec.url, MAX_DOCUMENT_BYTES) as stream:
                chunks = _with_progress(work, stream)
                await parts.files.put(
                    tenant,
                    spec.path,
                    chunks,
                    _OCTETS,
                    expires,
                    largest=MAX_DOCUMENT_BYTES,
                    length=stream.size,
                )
            stored = await parts.files.stat(tenant, spec.path)
            await work.checkpoint(FETCHED, {"sha256": stored.sha256})
        sha256 = str(work.checkpoints[FETCHED]["sha256"])
        async with parts.database.begin() as connection:
            other = await parts.store.find(connection, tenant, sha256)
            if other is not None and other.id != spec.document:
                return other
            await parts.store.change(connection, tenant, spec.document, sha256=sha256)
        return None

    async def _as_other(
        self, work: JobContext, spec: DocumentJobSpec, other: TenantDocument
    ) -> JobResult:
        """The document goes; what it was for is done with the one that was there before."""
        parts, tenant = self._parts, work.job.tenant
        async with parts.database.begin() as connection:
            places = await parts.store.places(connection, tenant, spec.document)
            for place in places:
                new = place.as_new()
                await parts.store.place(connection, tenant, other.id, new)
            if other.is_read:
                await parts.store.change(connection, tenant, other.id, job=work.job.id)
        if other.is_read:
            await self._index(work, other)

        async def give_way(connection: AsyncConnection) -> None:
            await self._delete_if_there(connection, tenant, spec.document)

        await work.checkpoint(KNOWN, {"document": other.id}, give_way)
        await parts.files.delete(tenant, [spec.path])
        return JobResult("succeeded", {"document": other.id, "was_known": True})

    async def _delete_if_there(self, connection: AsyncConnection, tenant: str, id: str) -> None:
        if await self._parts.store.many(connection, tenant, [id]):
            await self._parts.store.delete(connection, tenant, id)

    async def _read(
        self, work: JobContext, spec: DocumentJobSpec, document: TenantDocument
    ) -> TenantDocument:
        parts, job = self._parts, work.job
        await work.report("reading", FETCHED_PERCENT)
        request = ReadDocumentRequest(
            request_id=job.id,
            caller=None,  # type: ignore[arg-type]  # set by the stage
            path=spec.path,
            name=spec.name,
            media_type=spec.media_type,
            password=open_password(parts.secret_of(job.tenant), spec.document, spec.password),
            ocr=spec.ocr,
            limits=DocumentLimits(),
            timeout_s=READ_S,
            priority=job.priority,
        )
        with parts.figures.reading():
            state = await parts.read_stage.run(work, document.id, request)
        parts.figures.add_pages(state.pages_done)
        async with parts.database.read() as connection:
            blocks = await parts.store.blocks(connection, job.tenant, document.id)
        chunks = await asyncio.to_thread(chunk_blocks, blocks)
        language, usage = await self._language(job, blocks)

        async def write(connection: AsyncConnection) -> None:
            await parts.store.replace_chunks(connection, job.tenant, document.id, chunks)
            values: dict[str, Any] = {"state": "readable", "chunks": len(chunks)}
            values |= {"notes": state.notes, "language": language}
            await parts.store.change(connection, job.tenant, document.id, **values)
            await parts.usage.store_collected(connection, [usage])

        await work.checkpoint(CHUNKED, {"chunks": len(chunks)}, write)
        parts.usage.confirm_collected([usage])
        if spec.owned:
            await parts.files.delete(job.tenant, [spec.path])
        return await self._get(job.tenant, document.id)

    async def _language(
        self, job: Job, blocks: Sequence[StoredBlock]
    ) -> tuple[str, CollectedUsage]:
        usage = CollectedUsage()
        sample = sample_of(blocks)
        return (await self._parts.calls.language_of(job, sample, usage) if sample else ""), usage

    async def _index(self, work: JobContext, document: TenantDocument) -> JobResult:
        parts, tenant = self._parts, work.job.tenant
        async with parts.database.read() as connection:
            places = await parts.store.places(connection, tenant, document.id)
        waiting = [place for place in places if place.state == "waiting"]
        share = (100.0 - READ_PERCENT) / max(1, len(waiting))
        for at, place in enumerate(waiting):
            first = READ_PERCENT + share * at
            with parts.figures.indexing():
                count = await parts.index_stage.run(work, document, place, (first, first + share))
            parts.figures.add_chunks(count)
            await self._placed(document, replace(place, state="indexed", points=count))
        if not document.language:
            await self._tell_language(work.job, document)
        return JobResult("succeeded", {"document": document.id, "chunks": document.chunks})

    async def _tell_language(self, job: Job, document: TenantDocument) -> None:
        """Of a document that was read while its caller waited."""
        parts = self._parts
        async with parts.database.read() as connection:
            blocks = await parts.store.blocks(
                connection, document.tenant, document.id, limit=SAMPLE_BLOCKS
            )
        language, usage = await self._language(job, blocks)
        if language:
            async with parts.database.begin() as connection:
                await parts.store.change(
                    connection, document.tenant, document.id, language=language
                )
                await parts.usage.store_collected(connection, [usage])
            parts.usage.confirm_collected([usage])

    async def _placed(self, document: TenantDocument, place: DocumentPlace) -> None:
        """A document that was deleted meanwhile has no place to be marked; its points go."""
        parts = self._parts
        async with parts.database.begin() as connection:
            await parts.store.set_place(connection, document.tenant, document.id, place)
            await parts.store.change(connection, document.tenant, document.id, state="indexed")

    async def _get(self, tenant: str, id: str) -> TenantDocument:
        async with self._parts.database.read() as connection:
            return await self._parts.store.get(connection, tenant, id)

    async def _fail(self, job: Job, spec: DocumentJobSpec, problem: Problem) -> None:
        """Says so in the document's own row, which outlives the job."""
        parts = self._parts
        said = {
            "slug": problem.slug,
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
        }
        try:
            async with parts.database.begin() as connection:
                await parts.store.change(
                    connection, job.tenant, spec.document, state="failed", problem=said
                )
        except NotFound:
            return
        if spec.owned and spec.path:
            await parts.files.delete(job.tenant, [spec.path])


def sample_of(blocks: Sequence[StoredBlock]) -> str:
    """Some text, by which the language is told."""
    sample, length = [], 0
    for block in blocks:
        if length >= LANGUAGE_SAMPLE:
            break
        sample.append(block.text)
        length += len(block.text)
    return "\n".join(sample)[:LANGUAGE_SAMPLE]


async def _with_progress(work: JobContext, stream: IncomingStream) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in stream.chunks:
        received += len(chunk)
        total = stream.size if stream.size else received + _ASSUMED_BYTES
        await work.report("fetching", FETCHED_PERCENT * min(1.0, received / total))
        yield chunk
