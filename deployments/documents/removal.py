"""Deletes documents, with what is indexed of them.

A document, its text and its points go in one transaction: once it is answered, no question finds
them. Its job is cancelled; one that still writes finds nothing to write to.
"""

import contextlib
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import TenantFiles
from cluster.collections.model import MAX_CHANGED
from cluster.collections.points import PointRepository
from cluster.runtime.problems import NotFound
from cluster.storage.database import Database
from deployments.contracts.documents import DOCUMENT_JOB
from deployments.documents.index_stage import point_id
from deployments.documents.job_spec import DocumentJobSpec
from deployments.documents.model import DocumentPlace, TenantDocument
from deployments.documents.store import DocumentStore
from deployments.jobs.store import JobStore


@dataclass(frozen=True)
class DocumentRemover:
    database: Database
    store: DocumentStore
    points: PointRepository
    jobs: JobStore
    files: TenantFiles

    async def remove(self, tenant: str, id: str) -> None:
        """Raises NotFound."""
        async with self.database.begin() as connection:
            document = await self.store.get(connection, tenant, id, lock=True)
            for place in await self.store.places(connection, tenant, id, lock=True):
                await self._take_out(connection, document, place)
            await self.store.delete(connection, tenant, id)
        await self._end_job(document)

    async def remove_from(self, tenant: str, id: str, collection: str) -> None:
        """Takes a document out of one collection. Raises NotFound where it is not in it."""
        async with self.database.begin() as connection:
            document = await self.store.get(connection, tenant, id, lock=True)
            places = await self.store.places(connection, tenant, id, lock=True)
            for place in places:
                if place.collection == collection:
                    await self._take_out(connection, document, place)
                    await self.store.remove_place(connection, tenant, id, collection)
                    return
        raise NotFound(f"Document '{id}' is not in this collection.", param="document")

    async def _take_out(
        self, connection: AsyncConnection, document: TenantDocument, place: DocumentPlace
    ) -> None:
        """Its points; a collection that was deleted has none."""
        for first in range(0, place.points, MAX_CHANGED):
            last = min(place.points, first + MAX_CHANGED)
            ids = [point_id(document.id, number) for number in range(first, last)]
            try:
                await self.points.delete(connection, document.tenant, place.collection, ids)
            except NotFound:
                return

    async def _end_job(self, document: TenantDocument) -> None:
        """With the file that it reads."""
        if document.job is not None:
            with contextlib.suppress(NotFound):
                job = await self.jobs.cancel(document.tenant, document.job)
                if job.kind != DOCUMENT_JOB:
                    return
                spec = DocumentJobSpec.of(job)
                if spec.owned and spec.path:
                    await self.files.delete(document.tenant, [spec.path])
