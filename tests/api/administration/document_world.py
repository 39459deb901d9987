"""A document of acme, and the services behind its routes, for the world of administration."""

from collections.abc import Callable

from cluster.collections.repository import default_limits
from cluster.runtime.clock import Clock
from cluster.storage.database import Database
from deployments.contracts.documents import DocumentBlock
from deployments.documents.figures import DocumentFigures
from deployments.documents.model import TenantDocument
from deployments.documents.store import DocumentStore
from deployments.files.store import FileStore
from deployments.ingress.collections import collection_services
from deployments.ingress.documents import DocumentServices
from deployments.ingress.pipeline.document_pipeline import DocumentPipeline
from deployments.ingress.services import AppServices
from deployments.video.services import MediaServices
from tests.api.fakes import Records
from tests.media_fixtures.plain_reader import PlainReader
from tests.media_fixtures.point_search import PointSearch


async def seed_document(database: Database, clock: Clock) -> str:
    """A document of acme that was read, and is indexed nowhere."""
    store, id = DocumentStore(clock), "doc_tea"
    document = TenantDocument(
        id, "acme", "k", "tea.txt", "0" * 64, "readable", 0.0, 0.0, format="text", blocks=1
    )
    async with database.begin() as connection:
        await store.add(connection, document)
        block = DocumentBlock(1, "text", "Tea is a drink.")
        await store.add_blocks(connection, "acme", id, 0, [block])
    return id


def documents_of(
    database: Database,
    media: MediaServices,
    bare: AppServices,
    secret_of: Callable[[str], bytes],
    wake: Callable[[], None],
) -> DocumentServices:
    clock = bare.clock
    return DocumentServices(
        database,
        DocumentStore(clock),
        media.files,
        FileStore(database, media.files, clock),
        media.jobs,
        DocumentPipeline(PlainReader(media.files), Records()),
        collection_services(
            database,
            default_limits,
            bare.embedding_pipeline,
            Records(),
            clock,
            media.jobs,
            wake,
            PointSearch(database),
        ),
        media.guard,
        bare.models,
        secret_of,
        DocumentFigures(),
        clock,
        1 << 20,
        wake,
    )
