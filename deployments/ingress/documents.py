"""Documents in the ingress: what operations and routes of documents are built on.

Flows in: tenants' files, a reader of documents, collections. Flows out: DocumentServices, and the
handler of document jobs, whose calls are those of the jobs' owners.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from cluster.blobs.files import TenantFiles
from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from cluster.runtime.clock import Clock
from cluster.runtime.settings import Settings
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.usage.collected_usage import CollectedUsageStore
from cluster.usage.ledger import Ledger
from deployments.contracts.documents import MAX_DOCUMENT_BYTES, DocumentReader
from deployments.documents.figures import DocumentFigures
from deployments.documents.index_stage import IndexStage
from deployments.documents.job import DocumentJobHandler, DocumentParts
from deployments.documents.model import DocumentQuota
from deployments.documents.ports import DocumentCalls
from deployments.documents.read_stage import ReadStage
from deployments.documents.removal import DocumentRemover
from deployments.documents.store import DocumentStore
from deployments.files.store import FileStore
from deployments.ingress.collections import CollectionServices
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.document_pipeline import DocumentPipeline, UnservedReader
from deployments.jobs.store import JobStore
from deployments.media.config import MediaConfig
from deployments.video.url_download import UrlDownloader

STAGED_S = 3 * 86_400.0  # a file of a request, should nobody delete it
SMALL_BYTES, SMALL_PAGES, SMALL_S = 5 << 20, 20, 2.0  # of what is read while its caller waits
_OCTETS = "application/octet-stream"  # the client's content type is not trusted


@dataclass(frozen=True, slots=True)
class UploadedDocument:
    """A file that came with a request, at `path` of the tenant's files. `media_type` is what the
    client says that it is."""

    path: str
    name: str
    sha256: str
    bytes: int
    media_type: str = ""


@dataclass(frozen=True)
class DocumentServices:
    """`wake` tells the worker of this process that a job was added. `secret_of` gives a tenant's
    secret."""

    database: Database
    store: DocumentStore
    objects: TenantFiles
    files: FileStore
    jobs: JobStore
    pipeline: DocumentPipeline
    collections: CollectionServices
    guard: SsrfGuard
    models: ModelRegistry
    secret_of: Callable[[str], bytes]
    figures: DocumentFigures
    clock: Clock
    max_form_bytes: int
    wake: Callable[[], None]

    async def receive(
        self, tenant: str, name: str, chunks: AsyncIterator[bytes], media_type: str = ""
    ) -> UploadedDocument:
        """Raises as TenantFiles.put and the chunks do."""
        path, expires = new_source(), self.clock.wall() + STAGED_S
        stored = await self.objects.put(
            tenant, path, chunks, _OCTETS, expires, largest=self.max_form_bytes
        )
        return UploadedDocument(path, name, stored.sha256, stored.bytes, media_type)

    @property
    def remover(self) -> DocumentRemover:
        points = self.collections.points
        return DocumentRemover(self.database, self.store, points, self.jobs, self.objects)

    async def discard(self, tenant: str, upload: UploadedDocument) -> None:
        await self.objects.delete(tenant, [upload.path])


class SecretDirectory(Protocol):
    """Gives tenants' secrets."""

    def secret_of(self, tenant: str) -> bytes: ...


class DocumentTenants(Protocol):
    """What the ingress knows of tenants (deployments/ingress/tenant_services.py)."""

    @property
    def database(self) -> Database: ...
    @property
    def guard(self) -> SsrfGuard: ...
    @property
    def directory(self) -> SecretDirectory: ...
    @property
    def ledger(self) -> Ledger: ...


def document_services(
    settings: Settings,
    config: MediaConfig,
    tenants: DocumentTenants,
    files: FileStore,
    objects: TenantFiles,
    jobs: JobStore,
    models: ModelRegistry,
    collections: CollectionServices,
    reader: DocumentReader | None,
    wake: Callable[[], None],
    clock: Clock,
) -> DocumentServices:
    """`reader` None: no document is read here."""
    quota = DocumentQuota(
        settings.documents_per_tenant, settings.document_megachars_per_tenant * 1_000_000
    )
    return DocumentServices(
        tenants.database,
        DocumentStore(clock, quota),
        objects,
        files,
        jobs,
        DocumentPipeline(reader, tenants.ledger),
        collections,
        tenants.guard,
        models,
        tenants.directory.secret_of,
        DocumentFigures(),
        clock,
        min(MAX_DOCUMENT_BYTES, config.max_form_bytes),
        wake,
    )


def document_handler(
    documents: DocumentServices,
    calls: DocumentCalls,
    usage: CollectedUsageStore,
    downloader: UrlDownloader | None = None,
) -> DocumentJobHandler:
    """Of the jobs that read and index documents. `downloader` None: one that the guard watches."""
    reader = documents.pipeline.reader or UnservedReader()
    downloads = downloader or UrlDownloader(PinnedTransport(documents.guard))
    return DocumentJobHandler(
        DocumentParts(
            documents.database,
            documents.store,
            documents.objects,
            ReadStage(documents.store, reader, calls, usage, documents.clock),
            IndexStage(
                documents.database,
                documents.store,
                documents.collections.collections,
                documents.collections.points,
                calls,
                usage,
            ),
            calls,
            usage,
            downloads,
            documents.secret_of,
            documents.figures,
            documents.clock,
        )
    )


def new_source() -> str:
    """A path for the file of one document."""
    return f"documents/up_{secrets.token_hex(12)}/source"


def require_documents(documents: DocumentServices | None) -> DocumentServices:
    """Raises DatabaseUnavailable where there is no store."""
    if documents is None:
        raise DatabaseUnavailable
    return documents
