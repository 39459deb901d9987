"""SQL of API keys, users, refresh tokens and signing keys.

Methods take the caller's connection first and the tenant next, and never commit; another tenant's
id is NotFound. Changes for directories are written to the table `changes` in the same transaction.
Every row is stored with a MAC and ignored without a valid one (row_macs.py). Knows no authorization
and no plain secrets.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Table,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.models import ApiKey, EndedSession, RefreshToken, SigningKey, User, UserStatus
from cluster.auth.row_macs import MAC, RowAltered, RowMacs, as_stored, stored_values
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, NotFound
from cluster.storage.pagination import DEFAULT_LIMIT, Page, is_id, page
from cluster.storage.tables import (
    api_keys,
    ended_sessions,
    refresh_tokens,
    signing_keys,
    users,
)
from cluster.tenants.caller import Role, Scope
from cluster.tenants.policy import LimitPolicy, parse_policy, policy_text
from cluster.tenants.repository import record_change

SCOPES_BY_VALUE = {scope.value: scope for scope in Scope}
MAX_USERS_PER_EMAIL = 1_000  # users of one email that are read


class ApiKeyRepository:
    """Keys of a tenant. They are revoked, never deleted, as the ledger refers to them."""

    def __init__(self, clock: Clock, macs: RowMacs) -> None:
        self._clock = clock
        self._macs = macs

    async def add(self, connection: AsyncConnection, tenant: str, record: ApiKey) -> None:
        """Raises Conflict if the id exists."""
        assert record.tenant == tenant
        values = self._macs.signed(api_keys, _key_values(record))
        try:
            await connection.execute(insert(api_keys).values(**values))
        except IntegrityError as error:
            raise Conflict(f"There is a key '{record.id}' already.", param="id") from error
        await record_change(connection, self._clock, "key", record.id)

    async def get(
        self, connection: AsyncConnection, tenant: str, key: str, *, altered: bool = False
    ) -> ApiKey:
        """Raises NotFound, and RowAltered unless `altered` rows are accepted."""
        return as_key(
            await _get_row(connection, self._macs, api_keys, tenant, key, altered=altered)
        )

    async def list(
        self,
        connection: AsyncConnection,
        tenant: str,
        limit: int = DEFAULT_LIMIT,
        after: str | None = None,
    ) -> Page[ApiKey]:
        """Keys of the tenant, revoked and expired ones included."""
        statement = select(api_keys).where(api_keys.c.tenant == tenant)
        return await page(connection, statement, api_keys.c.id, limit, after, as_key_row)

    async def update(
        self,
        connection: AsyncConnection,
        tenant: str,
        key: str,
        *,
        name: str | None = None,
        scopes: Collection[Scope] | None = None,
        expires: float | None = None,
        replaced_by: str | None = None,
        revoked: float | None = None,
        policy: LimitPolicy | None = None,
        team: str | None = None,
    ) -> ApiKey:
        """Sets fields that are not None; a policy without limits, and the team "", take them away.
        Raises NotFound, or RowAltered: an altered row is not signed again, unless it is revoked.
        """
        fields_to_set = {
            "name": name,
            "scopes": None if scopes is None else frozenset(scopes),
            "expires": expires,
            "replaced_by": replaced_by,
            "revoked": revoked,
            "policy": policy,
            "team": team,
        }
        row = await _get_row(
            connection, self._macs, api_keys, tenant, key, altered=revoked is not None, lock=True
        )
        after = replace(as_key(row), **_without_none(fields_to_set))
        values = self._macs.signed(api_keys, _key_values(after))
        del values["last_used"]  # which is written concurrently
        await _update_row(connection, api_keys, tenant, key, values)
        await record_change(connection, self._clock, "key", key)
        return after

    async def of_account(
        self, connection: AsyncConnection, tenant: str, account: str
    ) -> tuple[ApiKey, ...]:
        """The keys of the account that are not revoked, except for altered rows."""
        is_of_account = or_(api_keys.c.id == account, api_keys.c.account == account)
        statement = stored_values(api_keys).where(
            api_keys.c.tenant == tenant, is_of_account, api_keys.c.revoked.is_(None)
        )
        rows = (await connection.execute(statement.order_by(api_keys.c.id))).all()
        return tuple(map(as_key, self._macs.all_genuine(api_keys, rows)))

    async def of_team(
        self, connection: AsyncConnection, tenant: str, team: str
    ) -> tuple[ApiKey, ...]:
        """The keys of the team that are not revoked, except for altered rows."""
        statement = stored_values(api_keys).where(
            api_keys.c.tenant == tenant, api_keys.c.team == team, api_keys.c.revoked.is_(None)
        )
        rows = (await connection.execute(statement.order_by(api_keys.c.id))).all()
        return tuple(map(as_key, self._macs.all_genuine(api_keys, rows)))

    async def touch(
        self, connection: AsyncConnection, tenant: str, used: Mapping[str, float]
    ) -> None:
        """Records when keys were last used; an older time than the stored one is ignored."""
        last = api_keys.c.last_used
        statement = (
            update(api_keys)
            .where(api_keys.c.id == bindparam("key"), api_keys.c.tenant == tenant)
            .where(or_(last.is_(None), last < bindparam("at")))
            .values(last_used=bindparam("at"))
        )
        if used:
            rows = [{"key": key, "at": at} for key, at in sorted(used.items())]
            await connection.execute(statement, rows)


class UserRepository:
    """Users of a tenant; an email belongs to one user of it."""

    def __init__(self, clock: Clock, macs: RowMacs) -> None:
        self._clock = clock
        self._macs = macs

    async def add(self, connection: AsyncConnection, tenant: str, user: User) -> None:
        """Raises Conflict if the tenant has a user with this email."""
        assert user.tenant == tenant
        try:
            values = self._macs.signed(users, asdict(user))
            await connection.execute(insert(users).values(**values))
        except IntegrityError as error:
            raise Conflict("There is a user with this email already.", param="email") from error
        await record_change(connection, self._clock, "user", user.id)

    async def get(
        self, connection: AsyncConnection, tenant: str, user: str, *, altered: bool = False
    ) -> User:
        """Raises NotFound, and RowAltered unless `altered` rows are accepted."""
        return as_user(await _get_row(connection, self._macs, users, tenant, user, altered=altered))

    async def find(
        self, connection: AsyncConnection, email: str, tenant: str | None
    ) -> User | None:
        """The user with this normalised email, for sign-in; None unless there is exactly one, in
        `tenant` or, without it, in the cluster.
        """
        statement = stored_values(users).where(users.c.email == email)
        if tenant is not None:
            statement = statement.where(users.c.tenant == tenant)
        rows = (await connection.execute(statement.limit(MAX_USERS_PER_EMAIL))).all()
        matches = self._macs.all_genuine(users, rows)
        return as_user(matches[0]) if len(matches) == 1 else None

    async def list(
        self,
        connection: AsyncConnection,
        tenant: str,
        limit: int = DEFAULT_LIMIT,
        after: str | None = None,
    ) -> Page[User]:
        statement = select(users).where(users.c.tenant == tenant)
        return await page(connection, statement, users.c.id, limit, after, as_user_row)

    async def update(
        self,
        connection: AsyncConnection,
        tenant: str,
        user: str,
        *,
        role: Role | None = None,
        status: UserStatus | None = None,
        password: str | None = None,
        ends_sessions: bool = True,
    ) -> User:
        """Sets fields that are not None; `password` is the hash. Raises NotFound, RowAltered.

        With `ends_sessions`, issued tokens become invalid and refresh tokens are revoked.
        """
        now = self._clock.wall()
        before = as_user(await _get_row(connection, self._macs, users, tenant, user, lock=True))
        fields_to_set = {"role": role, "status": status, "password": password, "updated": now}
        fields_to_set |= {"valid_after": now} if ends_sessions else {}
        after = replace(before, **_without_none(fields_to_set))
        await _update_row(connection, users, tenant, user, self._macs.signed(users, asdict(after)))
        if ends_sessions:
            tokens = RefreshTokenRepository(self._clock, self._macs)
            await tokens.revoke_user(connection, tenant, user)
        await record_change(connection, self._clock, "user", user)
        return after

    async def delete(self, connection: AsyncConnection, tenant: str, user: str) -> None:
        """Deletes the user and their refresh tokens. Raises NotFound."""
        await self.get(connection, tenant, user, altered=True)
        await connection.execute(delete(users).where(users.c.tenant == tenant, users.c.id == user))
        await record_change(connection, self._clock, "user", user)


class RefreshTokenRepository:
    """Refresh tokens; used by sign-in, refresh and sign-out only."""

    def __init__(self, clock: Clock, macs: RowMacs) -> None:
        self._clock = clock
        self._macs = macs

    async def add(self, connection: AsyncConnection, tenant: str, token: RefreshToken) -> None:
        assert token.tenant == tenant
        values = self._macs.signed(refresh_tokens, asdict(token))
        await connection.execute(insert(refresh_tokens).values(**values))

    async def find(
        self, connection: AsyncConnection, token: str, *, lock: bool = True
    ) -> RefreshToken | None:
        """The token by its id. `lock` serializes requests with the same token."""
        statement = stored_values(refresh_tokens).where(refresh_tokens.c.id == token)
        rows = (await connection.execute(statement.with_for_update() if lock else statement)).all()
        matches = self._macs.all_genuine(refresh_tokens, rows)
        return _as_token(matches[0]) if matches else None

    async def use(self, connection: AsyncConnection, tenant: str, token: RefreshToken) -> None:
        assert token.tenant == tenant
        used = replace(token, used=self._clock.wall())
        values = self._macs.signed(refresh_tokens, asdict(used))
        await _update_row(connection, refresh_tokens, token.tenant, token.id, values)

    async def revoke_family(self, connection: AsyncConnection, tenant: str, family: str) -> None:
        await self._revoke(connection, tenant, refresh_tokens.c.family == family)

    async def revoke_user(self, connection: AsyncConnection, tenant: str, user: str) -> None:
        await self._revoke(connection, tenant, refresh_tokens.c.user == user)

    async def delete_expired(self, connection: AsyncConnection, tenant: str, user: str) -> None:
        """Deletes the user's expired tokens, which are refused without a row as well."""
        of_user = (refresh_tokens.c.tenant == tenant, refresh_tokens.c.user == user)
        is_expired = refresh_tokens.c.expires <= self._clock.wall()
        await connection.execute(delete(refresh_tokens).where(*of_user, is_expired))

    async def _revoke(
        self, connection: AsyncConnection, tenant: str, condition: ColumnElement[bool]
    ) -> None:
        """Revokes matching tokens; altered rows, which are invalid, stay as they are."""
        table, now = refresh_tokens, self._clock.wall()
        conditions = (table.c.tenant == tenant, condition, table.c.revoked.is_(None))
        statement_to_select = (
            stored_values(table).where(*conditions).order_by(table.c.id).with_for_update()
        )
        rows = (await connection.execute(statement_to_select)).all()
        revoked_rows = [
            self._macs.signed(table, {**values, "revoked": now})
            for values in self._macs.all_genuine(table, rows)
        ]
        statement = (
            update(table)
            .where(table.c.tenant == tenant, table.c.id == bindparam("token"))
            .values(revoked=bindparam("ended"), mac=bindparam("signed"))
        )
        if revoked_rows:
            parameters = [{"token": v["id"], "ended": now, "signed": v[MAC]} for v in revoked_rows]
            await connection.execute(statement, parameters)


class EndedSessionRepository:
    """Sessions that have ended while their access tokens may not have expired."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def add(self, connection: AsyncConnection, tenant: str, session: EndedSession) -> None:
        """Adds it; idempotent. Deletes sessions whose tokens have expired."""
        assert session.tenant == tenant
        table = ended_sessions
        await connection.execute(delete(table).where(table.c.until <= self._clock.wall()))
        existing = select(table.c.family).where(table.c.family == session.family)
        if (await connection.execute(existing)).first() is None:
            await connection.execute(insert(table).values(**asdict(session)))
            await record_change(connection, self._clock, "session", session.family)

    async def count(self, connection: AsyncConnection, tenant: str, user: str) -> int:
        """Number of the user's ended sessions whose tokens have not expired."""
        table = ended_sessions
        of_user = (table.c.tenant == tenant, table.c.user == user)
        statement = select(func.count()).where(*of_user, table.c.until > self._clock.wall())
        return int((await connection.execute(statement)).scalar_one())


class SigningKeyRepository:
    """Signing keys; they belong to the cluster, not to a tenant."""

    def __init__(self, clock: Clock, macs: RowMacs) -> None:
        self._clock = clock
        self._macs = macs

    async def add(self, connection: AsyncConnection, key: SigningKey) -> None:
        values = self._macs.signed(signing_keys, asdict(key))
        await connection.execute(insert(signing_keys).values(**values))
        await record_change(connection, self._clock, "signing_key", key.id)

    async def list(self, connection: AsyncConnection, purpose: str) -> tuple[SigningKey, ...]:
        """Keys with a valid MAC, oldest first; there are only a few."""
        statement = stored_values(signing_keys).where(signing_keys.c.purpose == purpose)
        ordered = statement.order_by(signing_keys.c.created, signing_keys.c.id)
        rows = (await connection.execute(ordered)).all()
        genuine_rows = self._macs.all_genuine(signing_keys, rows)
        return tuple(SigningKey(**_fields_of(SigningKey, values)) for values in genuine_rows)

    async def retire(self, connection: AsyncConnection, key: SigningKey, at: float) -> None:
        values = self._macs.signed(signing_keys, asdict(replace(key, retires=at)))
        statement = update(signing_keys).where(signing_keys.c.id == key.id).values(**values)
        await connection.execute(statement)
        await record_change(connection, self._clock, "signing_key", key.id)

    async def delete(self, connection: AsyncConnection, key: str) -> None:
        await connection.execute(delete(signing_keys).where(signing_keys.c.id == key))
        await record_change(connection, self._clock, "signing_key", key)

    async def delete_altered(self, connection: AsyncConnection) -> None:
        """Deletes rows without a valid MAC, which `mobula audit verify` reports."""
        rows = (await connection.execute(stored_values(signing_keys))).all()
        for row in rows:
            if self._macs.genuine(signing_keys, row) is None:
                await self.delete(connection, str(row.id))


def as_key(values: Mapping[str, Any]) -> ApiKey:
    """An ApiKey from row values; unknown scopes of newer versions are dropped."""
    scopes = frozenset(
        SCOPES_BY_VALUE[scope] for scope in values["scopes"] if scope in SCOPES_BY_VALUE
    )
    limits = {
        "policy": parse_policy(values["policy"]),
        "team": values["team"] or "",
        "account": values["account"] or "",
    }
    return ApiKey(**{**_fields_of(ApiKey, values), "scopes": scopes, **limits})


def as_key_row(row: Row[Any]) -> ApiKey:
    return as_key(dict(row._mapping))


def as_user(values: Mapping[str, Any]) -> User:
    return User(**{**_fields_of(User, values), "role": Role(values["role"])})


def as_user_row(row: Row[Any]) -> User:
    return as_user(dict(row._mapping))


def _as_token(values: Mapping[str, Any]) -> RefreshToken:
    return RefreshToken(**_fields_of(RefreshToken, values))


def _fields_of(record: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in fields(record)}


def _key_values(record: ApiKey) -> dict[str, Any]:
    limits = {
        "policy": policy_text(record.policy),
        "team": record.team or None,
        "account": record.account or None,
    }
    return {**asdict(record), "scopes": sorted(record.scopes), **limits}


async def _get_row(
    connection: AsyncConnection,
    macs: RowMacs,
    table: Table,
    tenant: str,
    id: str,
    *,
    altered: bool = False,
    lock: bool = False,
) -> Mapping[str, Any]:
    """The values of a row. Raises NotFound, and RowAltered unless `altered` rows are accepted."""
    resource = _RESOURCE_NAMES[table.name]
    statement = stored_values(table).where(table.c.tenant == tenant, table.c.id == id)
    statement = statement.with_for_update() if lock else statement
    row = (await connection.execute(statement)).first() if is_id(tenant) and is_id(id) else None
    if row is None:
        raise NotFound(f"There is no {resource} '{id[:63]}'.", param=resource)
    values = macs.genuine(table, row)
    if values is None:
        try:
            values = as_stored(table, row) if altered else None
        except ValueError:
            values = None
    if values is None:
        raise RowAltered(resource, id)
    return values


_RESOURCE_NAMES = {"api_keys": "key", "users": "user"}


async def _update_row(
    connection: AsyncConnection, table: Table, tenant: str, id: str, values: Mapping[str, Any]
) -> None:
    conditions = (table.c.tenant == tenant, table.c.id == id)
    await connection.execute(update(table).where(*conditions).values(**values))


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
