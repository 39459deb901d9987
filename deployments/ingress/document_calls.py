"""Requests that document jobs make for their owners.

In: a job, and what it reads or embeds. Out: what the models answer. A call is authenticated as the
key or user that ordered the job, at the time of the call, and admitted, limited, guarded and
recorded as any other request; one that meets a rate limit or too much load waits and is made again.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from cluster.collections.model import Collection
from cluster.runtime.problems import NotInstalled, Overloaded, QuotaExceeded, RateLimited
from cluster.tenants.caller import Caller, Priority, Scope
from cluster.tenants.plan import RequestClass
from cluster.tenants.units import UsageAmounts
from cluster.usage.collected_usage import CollectedUsage
from deployments.contracts.documents import DOCUMENTS
from deployments.contracts.embedding import Vectors
from deployments.contracts.jobs import Job
from deployments.contracts.limits import Reservation
from deployments.documents.job_spec import DocumentJobSpec
from deployments.documents.ports import ReadingCall
from deployments.ingress.authentication import authenticate_handle_call
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.pipeline.analysis_pipeline import AnalysisQuery
from deployments.ingress.pipeline.collection_embedder import DOCUMENT, CollectionEmbedder
from deployments.ingress.pipeline.metering import Meter
from deployments.ingress.services import AppServices

LANGUAGE = "language"  # the operation of text analysis
LONGEST_WAIT_S = 30.0  # before a call is made again
Answer = TypeVar("Answer")
CallerOf = Callable[[str, str], Caller]


@dataclass(slots=True)
class _AdmittedReading:
    """Implements ReadingCall."""

    admitted: AdmittedRequest
    meter: Meter
    reservation: Reservation | None = None
    pages: int = 0

    @property
    def caller(self) -> Caller:
        return self.admitted.caller

    async def reserve(self, pages: int) -> None:
        if self.reservation is None:
            amounts = UsageAmounts(pages=pages)
            self.reservation = await self.admitted.permit.reserve(DOCUMENTS, amounts)

    def used(self, pages: int) -> CollectedUsage:
        usage, admitted = CollectedUsage(), self.admitted
        self.pages += pages
        if pages:
            amounts = UsageAmounts(pages=pages)
            self.meter.record_call(
                admitted.caller,
                admitted.plan,
                DOCUMENTS,
                amounts,
                admitted.tags,
                collected=usage,
            )
        return usage

    def settle(self) -> None:
        if self.reservation is not None:
            amounts = UsageAmounts(pages=self.pages)
            self.reservation.settle(amounts, requests=int(self.pages > 0))


class OwnersDocumentCalls:
    """Implements DocumentCalls over the services of this process. `caller_of` a tenant and the id
    of a key or a user gives whom it stands for now, or raises Unauthenticated or Forbidden."""

    def __init__(self, services: AppServices, meter: Meter, caller_of: CallerOf) -> None:
        self._services = services
        self._embedder = CollectionEmbedder(services.embedding_pipeline)
        self._meter = meter
        self._caller_of = caller_of

    @asynccontextmanager
    async def _reading(self, job: Job) -> AsyncIterator[ReadingCall]:
        async with self._admitted(job, f"{job.id}-r", "documents.read", CollectedUsage()) as call:
            reading = _AdmittedReading(call, self._meter)
            try:
                yield reading
            finally:
                reading.settle()

    def reading(self, job: Job) -> AbstractAsyncContextManager[ReadingCall]:
        return self._reading(job)

    async def embed(
        self, job: Job, collection: Collection, texts: Sequence[str], usage: CollectedUsage
    ) -> Vectors:
        async def call() -> Vectors:
            id = f"{job.id}-{uuid.uuid4().hex[:8]}"
            async with self._admitted(job, id, "documents.embed", usage) as admitted:
                vectors, _ = await self._embedder.embed(
                    admitted,
                    collection.model,
                    texts,
                    DOCUMENT,
                    collection.dimensions or None,
                    truncate=True,
                )
                return vectors

        return await _patiently(call)

    async def language_of(self, job: Job, text: str, usage: CollectedUsage) -> str:
        async def call() -> str:
            id = f"{job.id}-l"
            async with self._admitted(job, id, "documents.language", usage) as admitted:
                query = AnalysisQuery((text,), (LANGUAGE,))
                found = await self._services.analysis_pipeline.analyze(query, admitted)
                value = found[LANGUAGE][0].get("value")
                return str(value["code"]) if value else ""

        try:
            return await _patiently(call)
        except NotInstalled:
            return ""

    def _admitted(
        self, job: Job, request_id: str, action: str, usage: CollectedUsage
    ) -> AbstractAsyncContextManager[AdmittedRequest]:
        services = self._services
        context = authenticate_handle_call(
            services,
            self._caller_of(job.tenant, job.key),
            request_id,
            services.settings.max_timeout_s,
            RequestClass.BATCH,
            Priority.BATCH,
        )
        context.collected, context.tags = usage, DocumentJobSpec.of(job).tags
        return services.admission.admitted(
            context, RequestClass.BATCH, action, f"job:{job.id}", Scope.DOCUMENTS_WRITE
        )


async def _patiently(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Raises QuotaExceeded: waiting does not help."""
    while True:
        try:
            return await call()
        except QuotaExceeded:
            raise
        except (RateLimited, Overloaded) as problem:
            wait_s = float(problem.extensions.get("retry_after_s") or 1.0)
        await asyncio.sleep(min(wait_s, LONGEST_WAIT_S))
