"""What a credential directory holds in memory: live tenants, keys, users, public signing keys.

Flows in: rows. Flows out: dictionaries by id. It can be loaded completely, or brought up to date
with the rows named in `changes`. Revoked and expired keys are not held. Unlike the repositories it
reads the rows of every tenant. A key, a user or a signing key whose row is not genuine
(cluster/auth/row_macs.py) is not held.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.key_repository import SCOPES_BY_VALUE
from cluster.auth.models import UserStatus
from cluster.auth.roles import scopes_of
from cluster.auth.row_macs import RowMacs, stored_values
from cluster.auth.signing import PURPOSE
from cluster.storage.tables import (
    api_keys,
    changes,
    ended_sessions,
    plans,
    signing_keys,
    teams,
    tenant_settings,
    tenants,
    users,
)
from cluster.tenants.caller import Caller, Role, Scope
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies, LimitPolicy, caller_policies, parse_policy
from cluster.tenants.repository import Status
from cluster.tenants.settings import NO_SETTINGS, TenantSettings

_ROLES = {role.value: role for role in Role}
NEVER = -1  # `seq` of what was never loaded
MAX_CHANGES = 500  # with more at once, loading everything is simpler
_GENERATIONS = count(1)  # of templates, in this process


@dataclass(frozen=True, slots=True)
class TenantEntry:
    """A tenant as of now; `secret` keys whatever is derived for this tenant alone."""

    id: str
    name: str
    status: Status
    plan: Plan
    secret: bytes = field(repr=False)
    settings: TenantSettings = NO_SETTINGS


@dataclass(slots=True, eq=False)
class CredentialHolder:
    """Who holds a credential. `caller` is made once for each state of the tenant, `caller_of`.
    `team`, `account` and `policy` are a key's."""

    id: str
    tenant: str
    kind: Literal["key", "user"]
    scopes: frozenset[Scope]
    expires: float | None = None
    caller: Caller | None = None
    caller_of: TenantEntry | None = None
    team: str = ""
    account: str = ""
    policy: LimitPolicy | None = None


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key that is not revoked; `expires` is Unix seconds."""

    digest: bytes = field(repr=False)
    expires: float | None
    holder: CredentialHolder


@dataclass(frozen=True, slots=True)
class UserEntry:
    """A user; tokens issued before `valid_after` (Unix seconds) are void."""

    role: Role
    status: UserStatus
    valid_after: float
    holder: CredentialHolder


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a signing key, ready to verify; it signs until `retires`."""

    raw: bytes
    key: Ed25519PublicKey
    retires: float | None


class Snapshot:
    """`seq` is the last change that is in it; 0 before the first there is. `policies` are those of
    the keys that have any, by their ids."""

    def __init__(self, macs: RowMacs) -> None:
        self._macs = macs
        self.seq = NEVER
        self.tenants: dict[str, TenantEntry] = {}
        self.with_events: frozenset[str] = frozenset()  # that want `generation.*` events
        self.keys: dict[str, KeyEntry] = {}
        self.users: dict[str, UserEntry] = {}
        self.signing: dict[str, PublicKey] = {}
        self.teams: dict[str, dict[str, LimitPolicy | None]] = {}  # by tenant and id
        self.policies: dict[str, CallerPolicies] = {}
        self.ended: dict[str, float] = {}  # sign-ins that are over, until then (Unix seconds)
        self._templates: dict[str, int] = {}  # generations of the tenants' templates
        self._oldest_generation = next(_GENERATIONS)

    @classmethod
    async def load(cls, connection: AsyncConnection, now: float, macs: RowMacs) -> "Snapshot":
        """Load everything. `seq` is read first: what commits meanwhile is then applied again."""
        new = cls(macs)
        new.seq = (await connection.execute(select(func.max(changes.c.seq)))).scalar() or 0
        new._put_tenants((await connection.execute(_TENANTS)).all())
        new._put_keys((await connection.execute(_live_keys(now))).all())
        # After the keys: a team that a key names is there by now.
        new._put_teams((await connection.execute(select(teams))).all())
        new._apply_policies(new.keys)
        new._put_users((await connection.execute(stored_values(users))).all())
        new._put_signing((await connection.execute(_SIGNING)).all())
        new._put_ended((await connection.execute(_ended(now))).all())
        return new

    async def apply_changes(self, connection: AsyncConnection, now: float) -> bool:
        """Apply the changes since `seq`; False if that cannot be done, and it must be loaded.

        The row of `seq` itself is read along: when it is gone, rows were pruned or the store is
        another one.
        """
        statement = select(changes.c.seq, changes.c.kind, changes.c.id)
        since = statement.where(changes.c.seq >= self.seq).order_by(changes.c.seq)
        rows = (await connection.execute(since.limit(MAX_CHANGES + 1))).all()
        first = rows[0].seq if rows else 0
        if first != self.seq and (self.seq, first) != (0, 1) or len(rows) > MAX_CHANGES:
            return False
        changed: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows:
            if row.seq > self.seq:
                changed[row.kind].add(row.id)
        for kind, ids in changed.items():
            await self._reload(connection, kind, ids, now)
        self.seq = rows[-1].seq if rows else 0
        return True

    def template_generation(self, tenant: str) -> int:
        """Another number after each change of the tenant's templates that was applied, and after
        each load, which may have missed some.
        """
        return self._templates.get(tenant, self._oldest_generation)

    def forget_expired(self, now: float) -> None:
        """Expired keys and tokens are refused anyway; this gives their memory back."""
        for family in [family for family, until in self.ended.items() if until <= now]:
            del self.ended[family]
        expired = [id for id, key in self.keys.items() if (key.expires or now + 1) <= now]
        for id in expired:
            del self.keys[id]
            self.policies.pop(id, None)

    async def _reload(
        self, connection: AsyncConnection, kind: str, ids: Collection[str], now: float
    ) -> None:
        match kind:
            case "plan":
                self._put_tenants(await _all(connection, _TENANTS.where(tenants.c.plan.in_(ids))))
            case "tenant":
                rows = await _all(connection, _TENANTS.where(tenants.c.id.in_(ids)))
                _retain(self.tenants, ids, self._put_tenants(rows))
            case "team":
                await self._reload_teams(connection, ids)
            case "template":
                self._renew_templates(ids)
            case _:
                await self._reload_credentials(connection, kind, ids, now)

    async def _reload_credentials(
        self, connection: AsyncConnection, kind: str, ids: Collection[str], now: float
    ) -> None:
        match kind:
            case "key":
                rows = await _all(connection, _live_keys(now).where(api_keys.c.id.in_(ids)))
                _retain(self.keys, ids, self._put_keys(rows))
                await self._load_teams(connection, self._tenants_of_unknown_teams(ids))
                self._apply_policies(ids)
            case "user":
                rows = await _all(connection, stored_values(users).where(users.c.id.in_(ids)))
                _retain(self.users, ids, self._put_users(rows))
            case "signing_key":
                rows = await _all(connection, _SIGNING.where(signing_keys.c.id.in_(ids)))
                _retain(self.signing, ids, self._put_signing(rows))
            case "session":
                some = _ended(now).where(ended_sessions.c.family.in_(ids))
                self._put_ended(await _all(connection, some))

    async def _reload_teams(self, connection: AsyncConnection, of: Collection[str]) -> None:
        """The teams of these tenants, and the policies of their keys."""
        await self._load_teams(connection, of)
        self._apply_policies([id for id, key in self.keys.items() if key.holder.tenant in of])

    def _renew_templates(self, of: Collection[str]) -> None:
        """Templates of these tenants have changed."""
        self._templates |= {tenant: next(_GENERATIONS) for tenant in of}

    def _put_tenants(self, rows: Sequence[Row[Any]]) -> set[str]:
        known: dict[str, Plan] = {}
        for row in rows:
            plan = known.get(row.plan)
            if plan is None:
                plan = known[row.plan] = Plan.model_validate(row.document)
            settings = NO_SETTINGS
            if row.settings is not None:
                settings = TenantSettings.model_validate(row.settings)
            self.tenants[row.id] = TenantEntry(
                row.id, row.name, row.status, plan, row.secret, settings
            )
        found = {row.id for row in rows}
        wanting = {id for id in found if self.tenants[id].settings.generation_events is not None}
        self.with_events = self.with_events - found | wanting
        return found

    def _put_keys(self, rows: Iterable[Row[Any]]) -> set[str]:
        genuine = self._macs.all_genuine(api_keys, rows)
        for values in genuine:
            id, expires = values["id"], values["expires"]
            scopes = frozenset(
                SCOPES_BY_VALUE[scope] for scope in values["scopes"] if scope in SCOPES_BY_VALUE
            )
            holder = CredentialHolder(id, values["tenant"], "key", scopes, expires)
            holder.team, holder.account = values["team"] or "", values["account"] or id
            holder.policy = parse_policy(values["policy"])
            self.keys[id] = KeyEntry(values["digest"], expires, holder)
        return {values["id"] for values in genuine}

    async def _load_teams(self, connection: AsyncConnection, of: Collection[str]) -> None:
        """All teams of these tenants."""
        if of:
            for tenant in of:
                self.teams.pop(tenant, None)
            self._put_teams(await _all(connection, select(teams).where(teams.c.tenant.in_(of))))

    def _put_teams(self, rows: Iterable[Row[Any]]) -> None:
        for row in rows:
            self.teams.setdefault(row.tenant, {})[row.id] = parse_policy(row.policy)

    def _tenants_of_unknown_teams(self, keys: Iterable[str]) -> set[str]:
        holders = [self.keys[id].holder for id in keys if id in self.keys]
        return {
            each.tenant
            for each in holders
            if each.team and each.team not in self.teams.get(each.tenant, {})
        }

    def _apply_policies(self, keys: Iterable[str]) -> None:
        """Find the policies of these keys anew."""
        for id in keys:
            entry = self.keys.get(id)
            found = None
            if entry is not None:
                holder = entry.holder
                of_team = self.teams.get(holder.tenant, {}).get(holder.team)
                found = caller_policies(holder.account, holder.policy, holder.team, of_team)
            if found is None:
                self.policies.pop(id, None)
            else:
                self.policies[id] = found

    def _put_users(self, rows: Iterable[Row[Any]]) -> set[str]:
        genuine = [v for v in self._macs.all_genuine(users, rows) if v["role"] in _ROLES]
        for values in genuine:
            id, role = values["id"], _ROLES[values["role"]]
            holder = CredentialHolder(id, values["tenant"], "user", scopes_of(role))
            entry = UserEntry(role, values["status"], values["valid_after"], holder)
            self.users[id] = entry
        return {values["id"] for values in genuine}

    def _put_signing(self, rows: Iterable[Row[Any]]) -> set[str]:
        genuine = self._macs.all_genuine(signing_keys, rows)
        for values in genuine:
            key = Ed25519PublicKey.from_public_bytes(values["public"])
            self.signing[values["id"]] = PublicKey(values["public"], key, values["retires"])
        return {values["id"] for values in genuine}

    def _put_ended(self, rows: Iterable[Row[Any]]) -> None:
        """They are never taken back: a row that is gone too early changes nothing here."""
        for row in rows:
            self.ended[row.family] = row.until


_TENANTS = (
    select(tenants, plans.c.document, tenant_settings.c.document.label("settings"))
    .join(plans, plans.c.id == tenants.c.plan)
    .outerjoin(tenant_settings, tenant_settings.c.tenant == tenants.c.id)
)
_SIGNING = stored_values(signing_keys).where(signing_keys.c.purpose == PURPOSE)


def _live_keys(now: float) -> Select[Any]:
    unexpired = api_keys.c.expires.is_(None) | (api_keys.c.expires > now)
    return stored_values(api_keys).where(api_keys.c.revoked.is_(None), unexpired)


def _ended(now: float) -> Select[Any]:
    return select(ended_sessions).where(ended_sessions.c.until > now)


async def _all(connection: AsyncConnection, statement: Select[Any]) -> list[Row[Any]]:
    return list((await connection.execute(statement)).all())


def _retain(entries: dict[str, Any], ids: Iterable[str], genuine: set[str]) -> None:
    """Remove those of `ids` that are not genuine."""
    for id in set(ids) - genuine:
        entries.pop(id, None)
