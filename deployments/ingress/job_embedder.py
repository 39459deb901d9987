"""Vectors for jobs: calls of embedding models as the key or user that ordered the job.

In: a job and texts. Out: vectors, and what they cost, held until the job has stored what it made of
them. A call is authenticated at its time, admitted, limited and guarded as any other request; one
that meets a rate limit or too much load waits and is made again.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence

from cluster.runtime.problems import Overloaded, Problem, QuotaExceeded, RateLimited
from cluster.tenants.caller import Caller, Priority
from cluster.tenants.plan import RequestClass
from cluster.usage.collected_usage import CollectedUsage
from deployments.batches.pacing import BatchPacer
from deployments.contracts.embedding import Vectors
from deployments.contracts.jobs import Job
from deployments.ingress.authentication import authenticate_handle_call
from deployments.ingress.pipeline.collection_embedder import DOCUMENT, CollectionEmbedder
from deployments.ingress.services import AppServices

LONGEST_WAIT_S = 30.0  # before a call is made again
TRIES = 20


class IngressJobEmbedder:
    """Implements JobEmbedder of reindexings. `caller_of` a tenant and the id of a key or a user
    gives whom it stands for now, or raises Unauthenticated or Forbidden."""

    def __init__(
        self,
        services: AppServices,
        embedder: CollectionEmbedder,
        caller_of: Callable[[str, str], Caller],
        pacer: BatchPacer,
    ) -> None:
        self._services = services
        self._embedder = embedder
        self._caller_of = caller_of
        self._pacer = pacer
        self._slots = asyncio.Semaphore(2)

    async def embed_for(
        self,
        job: Job,
        model: str,
        texts: Sequence[str],
        dimensions: int | None,
        tags: tuple[str, ...],
        usage: CollectedUsage,
    ) -> Vectors:
        for left in reversed(range(TRIES)):
            try:
                async with self._pacer.turn(self._slots):
                    return await self._call(job, model, texts, dimensions, tags, usage)
            except (RateLimited, Overloaded) as problem:
                if not left or isinstance(problem, QuotaExceeded):
                    raise
                wait_s = _wait_s(problem)
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    async def _call(
        self,
        job: Job,
        model: str,
        texts: Sequence[str],
        dimensions: int | None,
        tags: tuple[str, ...],
        usage: CollectedUsage,
    ) -> Vectors:
        services, kind = self._services, job.kind
        context = authenticate_handle_call(
            services,
            self._caller_of(job.tenant, job.key),
            f"{job.id}-{uuid.uuid4().hex[:8]}",
            services.settings.max_timeout_s,
            RequestClass.EMBED,
            Priority.BATCH,
        )
        context.collected, context.tags = usage, tags
        with services.tracing.handle_call(context, kind, job.trace):
            async with services.admission.admitted(
                context, RequestClass.EMBED, kind, model=model
            ) as admitted:
                vectors, _ = await self._embedder.embed(
                    admitted, model, texts, DOCUMENT, dimensions, truncate=True
                )
        return vectors


def _wait_s(problem: Problem) -> float:
    return min(float(problem.extensions.get("retry_after_s") or 1.0), LONGEST_WAIT_S)
