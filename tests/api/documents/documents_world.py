"""The application with documents: two tenants, a worker, a real store, a plain reader."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import httpx
import numpy as np
from starlette.types import ASGIApp

from cluster.blobs.files import TenantFiles
from cluster.blobs.store import BlobStore
from cluster.collections.repository import default_limits
from cluster.idempotency.store import IdempotencyStore
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.problems import Unauthenticated
from cluster.storage.database import Database
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.documents.figures import DocumentFigures
from deployments.documents.model import DocumentQuota
from deployments.documents.store import DocumentStore
from deployments.files.store import FileStore
from deployments.ingress.collections import collection_services
from deployments.ingress.document_calls import OwnersDocumentCalls
from deployments.ingress.documents import DocumentServices, document_handler
from deployments.ingress.http.app import create_app
from deployments.ingress.pipeline.document_pipeline import DocumentPipeline
from deployments.ingress.services import AppServices
from deployments.ingress.tenant_jobs import TenantJobs
from deployments.jobs.event_notifier import EventNotifier
from deployments.jobs.store import JobStore
from deployments.jobs.worker import WorkerTimings
from deployments.video.url_download import UrlDownloader
from tests.api.fakes import LettersEmbedder, Records
from tests.api.videos.media_world import public, store_in
from tests.api.web import client_of
from tests.media_fixtures.plain_reader import PlainReader
from tests.media_fixtures.point_search import PointSearch

OURS, THEIRS, READER = "mob_ours_s", "mob_theirs_s", "mob_reader_s"
QUICK = WorkerTimings(poll_s=0.01, slowest_s=0.05, beat_s=0.05, sweep_s=60.0, close_s=5.0)
DOCUMENTS = "/api/v1/documents"
PLAN = Plan(id="default")
DIMENSIONS = 256
MANUAL = """# Handbook

The handbook has been translated, and its pictures were drawn anew.

## Falcon X200

The Falcon X200 comes with a warranty of five years. It was shown at the spring fair.

A complete Falcon X200 weighs 14 kilograms.

## Harbor One

Sales of the Harbor One began in 2016. The canteen has a new menu.
"""


def secret_of(tenant: str) -> bytes:
    return tenant.encode().ljust(32, b"s")


class WordsEmbedder(LettersEmbedder):
    """A text's vector counts its words, by a hash of each."""

    async def embed(self, request: EmbedRequest) -> Embeddings:
        self.requests.append(request)
        rows = np.zeros((len(request.texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(request.texts):
            for word in text.casefold().replace(".", " ").replace("?", " ").split():
                rows[row, zlib.crc32(word.encode()) % DIMENSIONS] += 1.0
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        tokens = sum(len(text.split()) for text in request.texts)
        return Embeddings(rows, tokens, self.name)


class DocumentKeys:
    def __init__(self) -> None:
        writer = frozenset(
            {Scope.GENERATE, Scope.DOCUMENTS_READ, Scope.DOCUMENTS_WRITE, Scope.LIBRARY_WRITE}
        )
        self.callers = {
            OURS: Caller("acme", "key", writer),
            THEIRS: Caller("other", "key", writer),
            READER: Caller("acme", "reader", frozenset({Scope.DOCUMENTS_READ})),
        }

    def verify(self, presented: str) -> Caller:
        if presented not in self.callers:
            raise Unauthenticated("This key is not known.")
        return self.callers[presented]

    def caller_of(self, tenant: str, holder: str) -> Caller:
        for caller in self.callers.values():
            if (caller.tenant, caller.key_id) == (tenant, holder):
                return caller
        raise Unauthenticated("This key is not known.")


@dataclass
class DocumentsWorld:
    """One running application; `jobs` is its worker."""

    services: AppServices
    documents: DocumentServices
    database: Database
    jobs: TenantJobs
    records: Records
    reader: PlainReader
    search: PointSearch
    app: ASGIApp
    served: dict[str, bytes]  # what is behind URLs, by path
    make_worker: Callable[[], TenantJobs]

    async def ask(
        self, method: str, path: str = "", key: str | None = OURS, **rest: Any
    ) -> httpx.Response:
        async with client_of(self.app, key) as client:
            return await client.request(method, DOCUMENTS + path, **rest)

    async def send(
        self, text: str = MANUAL, key: str = OURS, name: str = "manual.txt", **fields: str
    ) -> httpx.Response:
        """A form with a file."""
        files = {"file": (name, text.encode(), "text/plain")}
        return await self.ask("POST", key=key, files=files, data=fields)

    async def ended(self, document: str, key: str = OURS) -> dict[str, Any]:
        """The document once no job works on it."""
        async with asyncio.timeout(10):
            while True:
                found: dict[str, Any] = (await self.ask("GET", f"/{document}", key)).json()
                if found["state"] in ("indexed", "failed"):
                    return found
                await asyncio.sleep(0.01)

    async def added(self, text: str = MANUAL, key: str = OURS, **fields: str) -> dict[str, Any]:
        """An indexed document."""
        sent = await self.send(text, key, **fields)
        return await self.ended(sent.json()["id"], key)

    async def question(self, text: str, key: str = OURS, **rest: Any) -> dict[str, Any]:
        answer = await self.ask("POST", "/ask", key, json={"question": text, **rest})
        return answer.json() | {"http": answer.status_code}

    def pages_used(self) -> list[int]:
        return [amounts.pages for _, _, amounts in self.records.usage if amounts.pages]


@asynccontextmanager
async def opened_documents(
    folder: Path,
    bare: AppServices,
    records: Records,
    *,
    at_work: bool = True,
    quota: DocumentQuota | None = None,
) -> AsyncIterator[DocumentsWorld]:
    database, keys, clock = store_in(folder), DocumentKeys(), bare.clock
    store = JobStore(database, clock, Random(7))
    store.watch = EventNotifier(store.last_events, 0.02)
    objects = TenantFiles(database, BlobStore(str(folder / "blobs")), clock, lambda _: PLAN)
    jobs = TenantJobs(store, "test", clock, QUICK)
    once = IdempotencyStore(database, secret_of, clock)
    reader, search = PlainReader(objects), PointSearch(database)
    collections = collection_services(
        database,
        default_limits,
        bare.embedding_pipeline,
        records,
        clock,
        store,
        jobs.wake,
        search,
    )
    documents = DocumentServices(
        database,
        DocumentStore(clock, quota),
        objects,
        FileStore(database, objects, clock),
        store,
        DocumentPipeline(reader, records),
        collections,
        SsrfGuard(resolve=public),
        bare.models,
        secret_of,
        DocumentFigures(),
        clock,
        64 << 10,
        jobs.wake,
    )
    services = replace(
        bare,
        authenticator=keys,
        admin=cast(Any, SimpleNamespace(outcomes=None, classifiers=None)),
        idempotency=once,
        collections=collections,
        documents=documents,
    )
    calls, served = OwnersDocumentCalls(services, records, keys.caller_of), dict[str, bytes]()

    async def sent(content: bytes) -> AsyncIterator[bytes]:
        yield content

    def answer(request: httpx.Request) -> httpx.Response:
        found = served.get(request.url.path)
        return httpx.Response(404) if found is None else httpx.Response(200, content=sent(found))

    downloader = UrlDownloader(httpx.MockTransport(answer))  # type: ignore[arg-type]
    handler = document_handler(documents, calls, records, downloader)

    def make_worker() -> TenantJobs:
        """Another one, as of another replica."""
        other = TenantJobs(store, "other", clock, QUICK)
        other.install([handler])
        return other

    jobs.install([handler])
    if at_work:
        await jobs.start()
    try:
        yield DocumentsWorld(
            services,
            documents,
            database,
            jobs,
            records,
            reader,
            search,
            create_app(services),
            served,
            make_worker,
        )
    finally:
        if at_work:
            await jobs.close()
        await downloader.close()
        await once.close()
        await database.close()
