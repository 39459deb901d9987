"""Administration of API keys. An actor cannot create, change or rotate a key with more rights than
its own, and a key cannot create, extend or rotate one that expires later than itself, or one that
its own limits do not bind (limited_keys.py)."""

import math
from collections.abc import Collection

from cluster.administration.actor import Actor
from cluster.administration.limited_keys import ActorLimits, actor_limits
from cluster.administration.unit_of_work import Change, UnitOfWork
from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.keys import ApiKeyIssuer as Rules
from cluster.auth.models import ApiKey
from cluster.auth.row_macs import RowMacs
from cluster.events.kinds import EventKind
from cluster.runtime.problems import Conflict
from cluster.storage.pagination import Page
from cluster.tenants.caller import Scope
from cluster.tenants.policy import LimitPolicy
from cluster.tenants.teams import TeamRepository

NEW_KEY_LABEL, OLD_KEY_LABEL = "The new key", "This key"
MAX_TTL_S = 10 * 365 * 86_400.0


class KeyService:
    """Lists, creates, changes, rotates and revokes keys."""

    def __init__(self, unit_of_work: UnitOfWork, pepper: bytes) -> None:
        self._unit_of_work = unit_of_work
        self._rules = Rules(pepper, unit_of_work.clock)
        self._keys = ApiKeyRepository(unit_of_work.clock, RowMacs(pepper))
        self._teams = TeamRepository(unit_of_work.clock)

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
        *,
        policy: LimitPolicy | None = None,
        team: str | None = None,
    ) -> tuple[str, ApiKey]:
        """The key, which is shown only once, and its record. Default `ttl_s`: the maximum. A key
        that a limited key makes shares its limits, and its team.

        Raises Forbidden, NotFound (tenant, team).
        """
        actor.check_grant(scopes, NEW_KEY_LABEL)
        now = self._unit_of_work.clock.wall()
        latest_expiry = min(now + MAX_TTL_S, actor.caller.expires or math.inf)
        expires = latest_expiry if ttl_s is None else now + ttl_s
        actor.check_expiry(expires, NEW_KEY_LABEL)
        async with self._unit_of_work.change(actor, tenant, "key.create", "key:") as change:
            await change.lock_tenant()
            limits = await actor_limits(change, self._keys, actor)
            limits.check_policy(policy)
            new_team = limits.team_of_new(team)
            if new_team:
                await self._teams.get(change.connection, tenant, new_team)
            shared = limits.key if limits.has_policy else None
            key, record = await self._rules.create(
                change.connection,
                tenant,
                name=name,
                scopes=scopes,
                created_by=actor.name,
                expires=expires,
                policy=policy if shared is None else shared.policy,
                team=new_team,
                account="" if shared is None else shared.limits_account,
            )
            change.resource = f"key:{record.id}"
            change.detail["scopes"] = ",".join(sorted(record.scopes))
            if record.team:
                change.detail["team"] = record.team
            if record.policy is not None:
                change.detail["limits_of"] = record.limits_account
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
        policy: LimitPolicy | None = None,
        team: str | None = None,
    ) -> ApiKey:
        """Changes the fields that are not None; `ttl_s` counts from now. An empty policy, and the
        team "", take limits away; both change for all keys of the account.

        Raises NotFound, Forbidden, or Conflict if the key is not active or has a successor.
        """
        async with self._unit_of_work.change(actor, tenant, "key.update", f"key:{key}") as change:
            changed = change.record_changed(
                name=name, scopes=scopes, expires=ttl_s, policy=policy, team=team
            )
            before, limits = await self._get_changeable(change, key)
            actor.check_grant(scopes or (), NEW_KEY_LABEL)
            expires = None if ttl_s is None else change.clock.wall() + ttl_s
            if expires is not None:
                actor.check_expiry(expires, OLD_KEY_LABEL)
            after = await self._keys.update(
                change.connection, tenant, key, name=name, scopes=scopes, expires=expires
            )
            if policy is not None or team is not None:
                await self._set_limits(change, limits, before, policy, team)
                after = await self._keys.get(change.connection, tenant, key)
            change.detail["scopes"] = ",".join(sorted(after.scopes))
            await change.publish(EventKind.KEY_UPDATED, {"id": key, "changed": changed})
        return after

    async def rotate(
        self, actor: Actor, tenant: str, key: str, grace_s: float
    ) -> tuple[str, ApiKey]:
        """The new key, which is shown only once; the old one stays valid for `grace_s` seconds."""
        async with self._unit_of_work.change(actor, tenant, "key.rotate", f"key:{key}") as change:
            old, _ = await self._get_changeable(change, key)
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

    async def _set_limits(
        self,
        change: Change,
        limits: ActorLimits,
        key: ApiKey,
        policy: LimitPolicy | None,
        team: str | None,
    ) -> None:
        limits.check_policy(policy)
        if team is not None:
            team = limits.team_of_new(team)
        if team:
            await self._teams.get(change.connection, change.tenant, team)
        account = key.limits_account
        for each in await self._keys.of_account(change.connection, change.tenant, account):
            await self._keys.update(
                change.connection, change.tenant, each.id, policy=policy, team=team
            )
        change.detail["team"] = key.team if team is None else team

    async def _get_changeable(self, change: Change, key: str) -> tuple[ApiKey, ActorLimits]:
        """The key, and the limits that bind the actor."""
        await change.lock_tenant()  # locks, so that concurrent changes are serialized
        record = await self._keys.get(change.connection, change.tenant, key)
        change.actor.check_grant(record.scopes, OLD_KEY_LABEL)
        limits = await actor_limits(change, self._keys, change.actor)
        limits.check_within(record)
        status = record.status(change.clock.wall())
        if status != "active" or record.replaced_by is not None:
            raise Conflict(f"Key '{key}' {_describe_status(status)}.", param="key")
        return record, limits


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
