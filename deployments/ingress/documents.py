"""Documents in the ingress: what operations and routes of documents are built on.

Flows in: tenants' files, a reader of documents, collections. Flows out: DocumentServices, and the
handler of document jobs, whose calls are those of the jobs' owners.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from cluster.blobs.files import TenantFiles
from cluster.collections.points import PointRepository
from cluster.collections.repository import CollectionRepository
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotInstalled
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.tenants.plan import Plan
from deployments.contracts.search import CollectionSearch
from deployments.documents.figures import DocumentFigures
from deployments.documents.store import DocumentStore
from deployments.files.store import FileStore
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.document_pipeline import DocumentPipeline
from deployments.jobs.store import JobStore

NOT_SEARCHED = "This cluster searches no collections."
INSTALL_SEARCH = "Set `search.enabled` in serve_config.yaml, and deploy."
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
    """`wake` tells the worker of this process that a job was added. `search` None: nothing is
    searched here. `secret_of` gives a tenant's secret."""

    database: Database
    store: DocumentStore
    objects: TenantFiles
    files: FileStore
    jobs: JobStore
    pipeline: DocumentPipeline
    collections: CollectionRepository
    points: PointRepository
    search: CollectionSearch | None
    guard: SsrfGuard
    models: ModelRegistry
    plan_of: Callable[[str], Plan]
    secret_of: Callable[[str], bytes]
    pseudonym_of: Callable[[str, str], str]
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

    async def discard(self, tenant: str, upload: UploadedDocument) -> None:
        await self.objects.delete(tenant, [upload.path])


def new_source() -> str:
    """A path for the file of one document."""
    return f"documents/up_{secrets.token_hex(12)}/source"


def require_documents(documents: DocumentServices | None) -> DocumentServices:
    """Raises DatabaseUnavailable where there is no store."""
    if documents is None:
        raise DatabaseUnavailable
    return documents


def require_search(documents: DocumentServices) -> CollectionSearch:
    """Raises NotInstalled."""
    if documents.search is None:
        raise NotInstalled(NOT_SEARCHED, INSTALL_SEARCH)
    return documents.search
