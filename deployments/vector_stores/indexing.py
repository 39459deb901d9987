"""The handler of jobs that index the files of vector stores.

    a file -> a document, read by whoever reads documents -> a place in the store's collection

Flows in: rows of files that wait. Flows out: documents, which are in the collection once their own
jobs have indexed them; files that are no documents say why. Whatever a killed attempt has done is
found again: the same bytes are the same document.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.problems import (
    NotFound,
    Overloaded,
    Problem,
    QuotaExceeded,
    RateLimited,
)
from cluster.storage.database import Database
from deployments.contracts.documents import DOCUMENT_JOB
from deployments.contracts.jobs import Job, JobContext, JobResult, NewJob
from deployments.documents.job import KEEP_S
from deployments.documents.job_spec import DocumentJobSpec
from deployments.documents.model import NewPlace
from deployments.documents.removal import DocumentRemover
from deployments.documents.store import DocumentStore
from deployments.jobs.store import JobStore
from deployments.vector_stores.model import INDEX_FILES_JOB, StoreFile, point_payload
from deployments.vector_stores.store import VectorStoreRepository

FILES_AT_ONCE = 4
LONGEST_WAIT_S = 30.0  # before a call is made again
_UNSUPPORTED = frozenset({415, 501})
_NOT_THE_FILES = frozenset({401, 403, 404, 409, 429})


class FileDocuments(Protocol):
    """Makes documents of files for the jobs' owners."""

    async def document_of(self, job: Job, file: StoreFile) -> tuple[str, bool]:
        """The document's id, and whether the tenant had it before. Raises what limits and the
        reader raise, NotFound for a file that was deleted, Unauthenticated and Forbidden where the
        owner has gone."""
        ...


@dataclass(frozen=True)
class StoreIndexParts:
    """What the handler works with. `wake` tells the worker of this process that a job was added."""

    database: Database
    stores: VectorStoreRepository
    documents: DocumentStore
    remover: DocumentRemover
    jobs: JobStore
    calls: FileDocuments
    wake: Callable[[], None]


class IndexStoreFilesHandler:
    """Implements JobHandler."""

    kind = INDEX_FILES_JOB

    def __init__(self, parts: StoreIndexParts) -> None:
        self._parts = parts

    async def run(self, work: JobContext) -> JobResult:
        """Raises what is our own fault; then another attempt goes on."""
        parts, job = self._parts, work.job
        store, total, done = str(job.spec["store"]), int(job.spec["files"]), 0
        while True:
            async with parts.database.read() as connection:
                files = await parts.stores.waiting(
                    connection, job.tenant, store, job.id, FILES_AT_ONCE
                )
            if not files:
                return JobResult("succeeded", {"store": store})
            await asyncio.gather(*(self._index(job, file) for file in files))
            done += len(files)
            await work.report("reading", 100.0 * min(1.0, done / max(1, total)))

    async def _index(self, job: Job, file: StoreFile) -> None:
        try:
            document, was_known = await self._document(job, file)
        except Problem as problem:
            if problem.status >= 500 and problem.status not in _UNSUPPORTED:
                raise
            await self._fail(file, problem)
            return
        placed = await self._place(job, file, document, owns=not was_known)
        if not placed and not was_known:
            await self._discard(job.tenant, document)
        self._parts.wake()

    async def _document(self, job: Job, file: StoreFile) -> tuple[str, bool]:
        while True:
            try:
                return await self._parts.calls.document_of(job, file)
            except QuotaExceeded:
                raise
            except (RateLimited, Overloaded) as problem:
                wait_s = float(problem.extensions.get("retry_after_s") or 1.0)
            await asyncio.sleep(min(wait_s, LONGEST_WAIT_S))

    async def _place(self, job: Job, file: StoreFile, document: str, *, owns: bool) -> bool:
        """Whether the file is still to be in the store."""
        parts, tenant = self._parts, job.tenant
        async with parts.database.begin() as connection:
            if not await parts.stores.set_file(
                connection, tenant, file.store, file.file, document=document, owns_document=owns
            ):
                return False
            found = await parts.documents.get(connection, tenant, document, lock=True)
            payload = point_payload(file.name, file.file, file.attributes)
            place = NewPlace(file.store, {**file.chunking.options(), "payload": payload})
            await parts.documents.place(connection, tenant, document, place)
            if found.is_read:  # else the job that reads it indexes it
                await self._order(connection, job, document, file.store, found.chunks)
        return True

    async def _order(
        self, connection: AsyncConnection, job: Job, document: str, store: str, chunks: int
    ) -> None:
        new = await self._parts.jobs.create(
            connection,
            NewJob(
                tenant=job.tenant,
                kind=DOCUMENT_JOB,
                key=job.key,
                spec=DocumentJobSpec(document, collections=(store,)).to_json(),
                subject=document,
                cost=max(1, chunks),
                weight=job.weight,
                priority=job.priority,
                keep_s=KEEP_S,
                request_id=job.request_id,
                trace=job.trace,
            ),
        )
        await self._parts.documents.change(connection, job.tenant, document, job=new.id)

    async def _fail(self, file: StoreFile, problem: Problem) -> None:
        code = "invalid_file"
        if problem.status in _UNSUPPORTED:
            code = "unsupported_file"
        elif problem.status in _NOT_THE_FILES:
            code = "server_error"
        error = {"code": code, "message": problem.detail[:1_000]}
        async with self._parts.database.begin() as connection:
            await self._parts.stores.set_file(
                connection, file.tenant, file.store, file.file, state="failed", error=error
            )

    async def _discard(self, tenant: str, document: str) -> None:
        try:
            await self._parts.remover.remove(tenant, document)
        except NotFound:
            return
