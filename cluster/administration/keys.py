"""Administration of API keys. An actor cannot create, change or rotate a key with more rights than
its own, and a key cannot create, extend or rotate one that expires later than itself."""

import math
from collections.abc import Collection

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import Change, UnitOfWork
from cluster.auth.keys import ApiKeyIssuer as Rules
from cluster.auth.models import ApiKey
from cluster.auth.repository import ApiKeyRepository
from cluster.auth.row_macs import RowMacs
from cluster.events.kinds import EventKind
from cluster.runtime.problems import Conflict
from cluster.storage.pagination import Page
from cluster.tenants.caller import Scope

NEW_KEY_LABEL, OLD_KEY_LABEL = "The new key", "This key"
MAX_TTL_S = 10 * 365 * 86_400.0


class KeyService:
    """Lists, creates, changes, rotates and revokes keys."""

    def __init__(self, unit_of_work: UnitOfWork, pepper: bytes) -> None:
        self._unit_of_work = unit_of_work
        self._rules = Rules(pepper, unit_of_work.clock)
        self._keys = ApiKeyRepository(unit_of_work.clock, RowMacs(pepper))

    async def list(self, tenant: str, limit: int, after: str | None) -> Page[ApiKey]:
        async with self._unit_of_work.database.read() as connection:
            return await self._keys.list(connection, tenant, limit, after)

    async def get(self, tenant: str, key: str) -> ApiKey:
        """Raises NotFound."""
        async with self._unit_of_work.database.read() as connection:
            return await self._keys.get(connection, tenant, key)

    async def create(
        self,
        actor: Actor,
        tenant: str,
        name: str,
        scopes: Collection[Scope],
        ttl_s: float | None = None,
    ) -> tuple[str, ApiKey]:
        """The key, which is shown only once, and its record. Default `ttl_s`: the maximum.

        Raises Forbidden, NotFound (tenant).
        """
        actor.check_grant(scopes, NEW_KEY_LABEL)
        now = self._unit_of_work.clock.wall()
        latest_expiry = min(now + MAX_TTL_S, actor.caller.expires or math.inf)
        expires = latest_expiry if ttl_s is None else now + ttl_s
        actor.check_expiry(expires, NEW_KEY_LABEL)
        async with self._unit_of_work.change(actor, tenant, "key.create", "key:") as change:
            await change.lock_tenant()
            key, record = await self._rules.create(
                change.connection,
                tenant,
                name=name,
                scopes=scopes,
                created_by=actor.name,
                expires=expires,
            )
            change.resource = f"key:{record.id}"
            change.detail["scopes"] = ",".join(sorted(record.scopes))
            await _publish_created(change, record)
        return key, record

    async def update(
        self,
        actor: Actor,
        tenant: str,
        key: str,
        *,
        name: str | None = None,
        scopes: Collection[Scope] | None = None,
        ttl_s: float | None = None,
    ) -> ApiKey:
        """Changes the fields that are not None; `ttl_s` counts from now.

        Raises NotFound, Forbidden, or Conflict if the key is not active or has a successor.
        """
        async with self._unit_of_work.change(actor, tenant, "key.update", f"key:{key}") as change:
            change.record_changed(name=name, scopes=scopes, expires=ttl_s)
            await self._get_changeable(change, key)
            actor.check_grant(scopes or (), NEW_KEY_LABEL)
            expires = None if ttl_s is None else change.clock.wall() + ttl_s
            if expires is not None:
                actor.check_expiry(expires, OLD_KEY_LABEL)
            after = await self._keys.update(
                change.connection, tenant, key, name=name, scopes=scopes, expires=expires
            )
            change.detail["scopes"] = ",".join(sorted(after.scopes))
        return after

    async def rotate(
        self, actor: Actor, tenant: str, key: str, grace_s: float
    ) -> tuple[str, ApiKey]:
        """The new key, which is shown only once; the old one stays valid for `grace_s` seconds."""
        async with self._unit_of_work.change(actor, tenant, "key.rotate", f"key:{key}") as change:
            old = await self._get_changeable(change, key)
            actor.check_expiry(old.expires, NEW_KEY_LABEL)
            successor, record = await self._rules.rotate(
                change.connection, tenant, key, grace_s=grace_s, created_by=actor.name
            )
            change.detail |= {"successor": record.id, "grace_s": grace_s}
            grace_end = change.clock.wall() + grace_s
            expires = grace_end if old.expires is None else min(old.expires, grace_end)
            data = {"id": key, "replaced_by": record.id, "expires": expires}
            await change.publish(EventKind.KEY_ROTATED, data)
        return successor, record

    async def revoke(self, actor: Actor, tenant: str, key: str) -> None:
        """Revokes the key; idempotent. Raises NotFound or Forbidden."""
        async with self._unit_of_work.change(actor, tenant, "key.revoke", f"key:{key}") as change:
            await change.lock_tenant()
            old = await self._keys.get(change.connection, tenant, key, altered=True)
            actor.check_grant(old.scopes, OLD_KEY_LABEL)
            await self._rules.revoke(change.connection, tenant, key)
            if old.revoked is None:
                await change.publish(EventKind.KEY_REVOKED, {"id": key})

    async def _get_changeable(self, change: Change, key: str) -> ApiKey:
        await change.lock_tenant()  # locks, so that concurrent changes are serialized
        record = await self._keys.get(change.connection, change.tenant, key)
        change.actor.check_grant(record.scopes, OLD_KEY_LABEL)
        status = record.status(change.clock.wall())
        if status != "active" or record.replaced_by is not None:
            raise Conflict(f"Key '{key}' {_describe_status(status)}.", param="key")
        return record


def _describe_status(status: str) -> str:
    return "was rotated already" if status == "active" else f"is {status}"


async def _publish_created(change: Change, record: ApiKey) -> None:
    data = {
        "id": record.id,
        "name": record.name,
        "scopes": tuple(sorted(record.scopes)),
        "expires": record.expires,
    }
    await change.publish(EventKind.KEY_CREATED, data)
