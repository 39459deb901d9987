"""Administration of collections; every change is audited. Points are not administered: they are
changed by operations, of which the trail has a record as of all requests."""

from collections.abc import Mapping

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.collections.model import Collection, CollectionDraft
from cluster.collections.repository import CollectionRepository, LimitsOf
from cluster.events.kinds import EventKind
from cluster.storage.pagination import Page


class CollectionService:
    """Lists, reads, makes, changes and deletes collections.

    Methods raise NotFound for what is not the tenant's, and DatabaseUnavailable. `limits_of` gives
    the limits of a tenant.
    """

    def __init__(self, unit_of_work: UnitOfWork, limits_of: LimitsOf) -> None:
        self._unit_of_work = unit_of_work
        self._collections = CollectionRepository(unit_of_work.clock, limits_of)

    async def list(self, tenant: str, limit: int, after: str | None) -> Page[Collection]:
        """By name."""
        async with self._unit_of_work.database.read() as connection:
            return await self._collections.list(connection, tenant, limit, after)

    async def get(self, tenant: str, name: str) -> Collection:
        """By id or name."""
        async with self._unit_of_work.database.read() as connection:
            return await self._collections.get(connection, tenant, name)

    async def create(self, actor: Actor, tenant: str, draft: CollectionDraft) -> Collection:
        """Raises Conflict (name), CollectionsFull."""
        async with self._unit_of_work.change(
            actor, tenant, "collection.create", "collection"
        ) as change:
            key = actor.caller.key_id
            made = await self._collections.create(change.connection, tenant, key, draft)
            change.resource = f"collection:{made.id}"
            change.detail |= {"name": made.name, "model": made.model}
            payload = {"id": made.id, "name": made.name}
            await change.publish(EventKind.COLLECTION_CREATED, payload)
            return made

    async def update(
        self,
        actor: Actor,
        tenant: str,
        id: str,
        name: str | None = None,
        description: str | None = None,
        attributes: Mapping[str, str] | None = None,
        keep_s: float | None = None,
    ) -> Collection:
        """Changes what is not None; `keep_s` 0: it does not expire. Raises Conflict (name)."""
        async with self._unit_of_work.change(
            actor, tenant, "collection.update", f"collection:{id}"
        ) as change:
            changed = change.record_changed(
                name=name, description=description, attributes=attributes, keep_s=keep_s
            )
            given = {"name": name, "description": description, "attributes": attributes}
            values: dict[str, object] = {
                field: value for field, value in given.items() if value is not None
            }
            if keep_s is not None:
                values["keep_s"] = keep_s or None
            updated = await self._collections.update(change.connection, tenant, id, **values)
            await change.publish(EventKind.COLLECTION_UPDATED, {"id": id, "changed": changed})
            return updated

    async def delete(self, actor: Actor, tenant: str, id: str) -> None:
        """With its points: nobody finds them any more."""
        async with self._unit_of_work.change(
            actor, tenant, "collection.delete", f"collection:{id}"
        ) as change:
            gone = await self._collections.delete(change.connection, tenant, id)
            change.detail |= {"name": gone.name, "points": gone.points}
            payload = {"id": id, "name": gone.name}
            await change.publish(EventKind.COLLECTION_DELETED, payload)
