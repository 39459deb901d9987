"""Changing API keys. Nobody makes, changes or takes over a key that may do more than they may, and
no key makes, lengthens or takes over one that lives longer than itself."""

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

NEW_KEY, OLD_KEY = "The new key", "This key"
LONGEST_S = 10 * 365 * 86_400.0


class KeyService:
    """Listing, making, changing, rotating and revoking keys."""

    def __init__(self, desk: UnitOfWork, pepper: bytes) -> None:
        self._desk = desk
        self._rules = Rules(pepper, desk.clock)
        self._keys = ApiKeyRepository(desk.clock, RowMacs(pepper))

    async def list(self, tenant: str, limit: int, after: str | None) -> Page[ApiKey]:
        async with self._desk.database.read() as connection:
            return await self._keys.list(connection, tenant, limit, after)

    async def get(self, tenant: str, key: str) -> ApiKey:
        """Raises NotFound."""
        async with self._desk.database.read() as connection:
            return await self._keys.get(connection, tenant, key)

    async def create(
        self,
        actor: Actor,
        tenant: str,
        name: str,
        scopes: Collection[Scope],
        life_s: float | None = None,
    ) -> tuple[str, ApiKey]:
        """The key, to show once, and its record; without `life_s` it lives as long as it may.

        Raises Forbidden, NotFound (tenant).
        """
        actor.can_grant(scopes, NEW_KEY)
        now = self._desk.clock.wall()
        longest = min(now + LONGEST_S, actor.caller.expires or math.inf)
        expires = longest if life_s is None else now + life_s
        actor.outlives(expires, NEW_KEY)
        async with self._desk.change(actor, tenant, "key.create", "key:") as case:
            await case.tenant_exists()
            key, made = await self._rules.create(
                case.connection,
                tenant,
                name=name,
                scopes=scopes,
                created_by=actor.name,
                expires=expires,
            )
            case.resource = f"key:{made.id}"
            case.detail["scopes"] = ",".join(sorted(made.scopes))
            await _told_created(case, made)
        return key, made

    async def update(
        self,
        actor: Actor,
        tenant: str,
        key: str,
        *,
        name: str | None = None,
        scopes: Collection[Scope] | None = None,
        life_s: float | None = None,
    ) -> ApiKey:
        """Change what is given; `life_s` counts from now.

        Raises NotFound, Forbidden, or Conflict when the key works no longer or has a successor.
        """
        async with self._desk.change(actor, tenant, "key.update", f"key:{key}") as case:
            case.changed(name=name, scopes=scopes, expires=life_s)
            await self._changeable(case, key)
            actor.can_grant(scopes or (), NEW_KEY)
            expires = None if life_s is None else case.clock.wall() + life_s
            if expires is not None:
                actor.outlives(expires, OLD_KEY)
            after = await self._keys.update(
                case.connection, tenant, key, name=name, scopes=scopes, expires=expires
            )
            case.detail["scopes"] = ",".join(sorted(after.scopes))
        return after

    async def rotate(
        self, actor: Actor, tenant: str, key: str, grace_s: float
    ) -> tuple[str, ApiKey]:
        """The successor, to show once; the old one works for `grace_s` more seconds."""
        async with self._desk.change(actor, tenant, "key.rotate", f"key:{key}") as case:
            old = await self._changeable(case, key)
            actor.outlives(old.expires, NEW_KEY)
            successor, made = await self._rules.rotate(
                case.connection, tenant, key, grace_s=grace_s, created_by=actor.name
            )
            case.detail |= {"successor": made.id, "grace_s": grace_s}
            ends = case.clock.wall() + grace_s
            until = ends if old.expires is None else min(old.expires, ends)
            data = {"id": key, "replaced_by": made.id, "expires": until}
            await case.publish(EventKind.KEY_ROTATED, data)
        return successor, made

    async def revoke(self, actor: Actor, tenant: str, key: str) -> None:
        """End the key for good; again is harmless. Raises NotFound or Forbidden."""
        async with self._desk.change(actor, tenant, "key.revoke", f"key:{key}") as case:
            await case.tenant_exists()
            old = await self._keys.get(case.connection, tenant, key, altered=True)
            actor.can_grant(old.scopes, OLD_KEY)
            await self._rules.revoke(case.connection, tenant, key)
            if old.revoked is None:
                await case.publish(EventKind.KEY_REVOKED, {"id": key})

    async def _changeable(self, case: Change, key: str) -> ApiKey:
        await case.tenant_exists()  # of two changes at once the second sees the first
        record = await self._keys.get(case.connection, case.tenant, key)
        case.actor.can_grant(record.scopes, OLD_KEY)
        status = record.status(case.clock.wall())
        if status != "active" or record.replaced_by is not None:
            raise Conflict(f"Key '{key}' {_why(status)}.", param="key")
        return record


def _why(status: str) -> str:
    return "was rotated already" if status == "active" else f"is {status}"


async def _told_created(case: Change, made: ApiKey) -> None:
    data = {
        "id": made.id,
        "name": made.name,
        "scopes": tuple(sorted(made.scopes)),
        "expires": made.expires,
    }
    await case.publish(EventKind.KEY_CREATED, data)
