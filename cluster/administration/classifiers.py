"""Administration of tenants' text classifiers; every change is audited."""

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.classifiers.model import (
    ClassifierLimits,
    TenantClassifier,
    TrainedWeights,
    no_classifier,
)
from cluster.classifiers.repository import ClassifierRepository
from cluster.storage.pagination import Page, is_id


class ClassifierService:
    """Lists, reads, makes, retrains and deletes classifiers; it trains none.

    Methods raise NotFound for what is not the tenant's, and DatabaseUnavailable.
    """

    def __init__(self, unit_of_work: UnitOfWork, limits: ClassifierLimits | None = None) -> None:
        self._unit_of_work = unit_of_work
        self._classifiers = ClassifierRepository(
            unit_of_work.directory.secret_of, unit_of_work.clock, limits
        )

    async def list(self, tenant: str, limit: int, after: str | None) -> Page[TenantClassifier]:
        async with self._unit_of_work.database.read() as connection:
            return await self._classifiers.list(connection, tenant, limit, after)

    async def get(self, tenant: str, id: str) -> TenantClassifier:
        async with self._unit_of_work.database.read() as connection:
            return await self._classifiers.get(connection, tenant, id)

    async def open(self, tenant: str, id: str) -> tuple[TenantClassifier, bytes]:
        """With its packed head."""
        if not is_id(id):
            raise no_classifier(id)
        async with self._unit_of_work.database.read() as connection:
            return await self._classifiers.open(connection, tenant, id)

    async def check_new(self, tenant: str, id: str) -> None:
        """Before a training, which costs. Raises Conflict (id), ClassifierQuotaExceeded."""
        async with self._unit_of_work.database.read() as connection:
            await self._classifiers.check_new(connection, tenant, id)

    async def create(
        self, actor: Actor, tenant: str, id: str, description: str, weights: TrainedWeights
    ) -> TenantClassifier:
        """Raises Conflict (id), ClassifierQuotaExceeded."""
        async with self._unit_of_work.change(
            actor, tenant, "classifier.create", f"classifier:{id}"
        ) as change:
            await change.lock_tenant()
            change.detail |= {"labels": len(weights.labels), "examples": weights.examples}
            return await self._classifiers.create(
                change.connection, tenant, id, description, weights
            )

    async def replace(
        self, actor: Actor, tenant: str, id: str, description: str | None, weights: TrainedWeights
    ) -> TenantClassifier:
        """The next version. `description` None: as before."""
        async with self._unit_of_work.change(
            actor, tenant, "classifier.train", f"classifier:{id}"
        ) as change:
            await change.lock_tenant()
            change.detail |= {"labels": len(weights.labels), "examples": weights.examples}
            trained = await self._classifiers.replace(
                change.connection, tenant, id, description, weights
            )
            change.resource = f"classifier:{trained.reference}"
            return trained

    async def delete(self, actor: Actor, tenant: str, id: str) -> None:
        async with self._unit_of_work.change(
            actor, tenant, "classifier.delete", f"classifier:{id}"
        ) as change:
            await self._classifiers.delete(change.connection, tenant, id)
