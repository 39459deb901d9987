"""The application with documents in this process: a real store, a worker, a search, real vectors.

In: documents as pages, a text model. Out: answers over HTTP's own layers, without sockets. Reading
is that of pages that are known; what a format says is another benchmark's matter.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import numpy as np
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit.record import AuditRecord
from cluster.blobs.files import TenantFiles
from cluster.blobs.store import BlobStore
from cluster.collections.repository import default_limits
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from cluster.storage.database import Database, default_url
from cluster.storage.migrate import migrate
from cluster.storage.tables import plans, tenants
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan
from cluster.usage.collected_usage import CollectedUsage
from deployments.content.registry import ProviderRegistry
from deployments.contracts.documents import (
    DocumentBlock,
    DocumentFacts,
    DocumentPart,
    ReadDocumentRequest,
)
from deployments.contracts.embedding import Embeddings, EmbedRequest, Vectors
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.contracts.text_generator import ServedModel
from deployments.documents.figures import DocumentFigures
from deployments.documents.store import DocumentStore
from deployments.files.store import FileStore
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.collections import collection_services
from deployments.ingress.document_calls import OwnersDocumentCalls
from deployments.ingress.documents import DocumentServices, document_handler
from deployments.ingress.http.app import create_app
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline
from deployments.ingress.pipeline.document_pipeline import DocumentPipeline
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.services import AppServices
from deployments.ingress.tenant_jobs import TenantJobs
from deployments.jobs.store import JobStore
from deployments.jobs.worker import WorkerTimings
from deployments.limiter.unlimited import NullLimiter
from deployments.search.searcher import CollectionSearcher
from training.heads.embedding import LocalEmbedder

TENANT, KEY = "acme", "mob_bench"
MODEL, EMBEDDER = "good", "minilm"
PAGE_BREAK = "\f"
_PLAN = Plan(id="default")
_PACE = WorkerTimings(poll_s=0.02, slowest_s=0.1)


class UncountedUsage:
    """A trail, a meter and a ledger that keep nothing."""

    def enqueue(self, record: AuditRecord) -> None: ...

    def record_call(self, *arguments: Any, **options: Any) -> None: ...

    def record_cache_hit(self, *arguments: Any, **options: Any) -> None: ...

    async def store_collected(
        self, connection: AsyncConnection, collected: Iterable[CollectedUsage]
    ) -> None: ...

    def confirm_collected(self, collected: Iterable[CollectedUsage]) -> None: ...


class OneKey:
    """Knows one key, of the tenant TENANT."""

    caller = Caller(TENANT, "key", frozenset({Scope.ADMIN}))

    def verify(self, credential: str) -> Caller:
        return self.caller

    def caller_of(self, tenant: str, holder: str) -> Caller:
        return self.caller


class WordVectors:
    """Vectors that count the words of a text, for runs that only see whether all of it works."""

    def embed_all(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), 384), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.casefold().split():
                rows[row, zlib.crc32(word.encode()) % 384] += 1.0
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        vectors: Vectors = rows / lengths
        return vectors


class ServedLocalEmbedder:
    """Implements ServedEmbedder by a model in this process."""

    def __init__(self, embedder: LocalEmbedder | WordVectors) -> None:
        self._embedder = embedder

    async def card(self) -> ModelCard:
        return ModelCard(EMBEDDER, EMBEDDER, EMBEDDER, "1", 256, 0)

    async def load(self) -> ModelLoad:
        return ModelLoad(0, 0, 0, 0, 0, 0, 0, 0)

    async def embed(self, request: EmbedRequest) -> Embeddings:
        vectors = await asyncio.to_thread(self._embedder.embed_all, request.texts)
        return Embeddings(vectors, sum(len(text) // 4 for text in request.texts), EMBEDDER)


class KnownPages:
    """Implements DocumentReader: pages end with form feeds, blocks with blank lines, and a line
    that begins with `#` is a heading."""

    def __init__(self, files: TenantFiles) -> None:
        self._files = files

    async def read_document(
        self, request: ReadDocumentRequest
    ) -> AsyncGenerator[DocumentPart, None]:
        stored = await self._files.stat(request.caller.tenant, request.path)
        content = b"".join([block async for block in self._files.read(stored)]).decode()
        pages = content.split(PAGE_BREAK)
        yield DocumentPart(
            facts=DocumentFacts("markdown", stored.sha256, stored.bytes, len(pages), by="pages@1")
        )
        for number, page in enumerate(pages, 1):
            blocks = tuple(
                DocumentBlock(number, "heading", text[2:], 1)
                if text.startswith("# ")
                else DocumentBlock(number, "text", text)
                for text in page.split("\n\n")
            )
            yield DocumentPart(blocks=blocks, pages_done=number)


@dataclass(frozen=True)
class DocumentApplication:
    """A running application."""

    client: httpx.AsyncClient

    async def add(self, name: str, pages: Sequence[Sequence[str]]) -> dict[str, Any]:
        """An indexed document; the first part of a page is its heading."""
        text = PAGE_BREAK.join("\n\n".join((f"# {page[0]}", *page[1:])) for page in pages)
        sent = await self.client.post("/api/v1/documents", files={"file": (name, text.encode())})
        document: dict[str, Any] = sent.raise_for_status().json()
        while document["state"] in ("reading", "readable"):
            await asyncio.sleep(0.05)
            found = await self.client.get(f"/api/v1/documents/{document['id']}")
            document = found.raise_for_status().json()
        assert document["state"] == "indexed", document["problem"]
        return document

    async def ask(self, question: str, **options: Any) -> dict[str, Any]:
        body = {"question": question, **options}
        answer = await self.client.post("/api/v1/documents/ask", json=body)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def blocks(self, document: str) -> dict[int, str]:
        """The text of each block, by number."""
        found: dict[int, str] = {}
        after: int | None = -1
        while after is not None:
            page = await self.client.get(
                f"/api/v1/documents/{document}/blocks", params={"after": after, "limit": 1_000}
            )
            found |= {block["number"]: block["text"] for block in page.json()["data"]}
            after = page.json()["next_after"]
        return found


@asynccontextmanager
async def start_documents(
    home: Path, model: ServedModel, vectors: LocalEmbedder | WordVectors
) -> AsyncIterator[DocumentApplication]:
    """`home` is empty."""
    clock, nothing, key = SystemClock(), UncountedUsage(), OneKey()
    url = default_url(home)
    await asyncio.to_thread(migrate, url)
    database = Database(url)
    await _add_tenant(database, clock.wall())
    models = ModelRegistry({MODEL: model}, clock, {EMBEDDER: ServedLocalEmbedder(vectors)})
    embeddings = EmbeddingPipeline(models, nothing)
    objects = TenantFiles(database, BlobStore(str(home / "blobs")), clock, lambda _: _PLAN)
    store = JobStore(database, clock, Random(1))
    jobs = TenantJobs(store, "bench", clock, _PACE)
    searcher = CollectionSearcher(database)
    collections = collection_services(
        database, default_limits, embeddings, nothing, clock, store, jobs.wake, searcher
    )
    documents = DocumentServices(
        database,
        DocumentStore(clock),
        objects,
        FileStore(database, objects, clock),
        store,
        DocumentPipeline(KnownPages(objects), nothing),
        collections,
        SsrfGuard(),
        models,
        lambda _: b"s" * 32,
        DocumentFigures(),
        clock,
        1 << 30,
        jobs.wake,
    )
    services = AppServices(
        settings=Settings(home=home),
        authenticator=key,
        plan_of=lambda _: _PLAN,
        admission=AdmissionControl(NullLimiter(), nothing, clock),
        models=models,
        model_pipeline=ModelPipeline(models, UsageRecorder(nothing, TokenEstimator({}))),
        embedding_pipeline=embeddings,
        analysis_pipeline=AnalysisPipeline(None, embeddings, nothing),
        providers=ProviderRegistry({MODEL}, MODEL, {}),
        clock=clock,
        version="bench",
        access_log=lambda _: None,
        collections=collections,
        documents=documents,
    )
    calls = OwnersDocumentCalls(services, nothing, key.caller_of)
    jobs.install([document_handler(documents, calls, nothing)])
    await jobs.start()
    transport = httpx.ASGITransport(create_app(services))
    headers = {"Authorization": f"Bearer {KEY}"}
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=headers, timeout=600.0
        ) as client:
            yield DocumentApplication(client)
    finally:
        await jobs.close()
        await searcher.close()
        await database.close()


async def _add_tenant(database: Database, now: float) -> None:
    async with database.begin() as connection:
        plan = {"id": _PLAN.id, "document": _PLAN.model_dump(mode="json")}
        await connection.execute(insert(plans).values(**plan, version=1, created=now, updated=now))
        await connection.execute(
            insert(tenants).values(
                id=TENANT,
                name=TENANT,
                plan=_PLAN.id,
                status="active",
                secret=b"s" * 32,
                created=now,
                updated=now,
            )
        )
