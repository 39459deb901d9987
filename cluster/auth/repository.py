"""API keys, users, refresh tokens and signing keys: every SQL statement about them.

Methods take the caller's connection first and the tenant next, and never commit; another tenant's
id is NotFound. Changes that directories must see are written to `changes` along with the row.
Knows no rules about who may do what, and never sees a secret.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, Table, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.records import KeyRecord, RefreshToken, SigningKey, User, UserStatus
from cluster.clock import Clock
from cluster.problems import Conflict, NotFound
from cluster.storage.pages import USUAL, Page, is_id, page
from cluster.storage.tables import api_keys, refresh_tokens, signing_keys, users
from cluster.tenants.caller import Role, Scope
from cluster.tenants.repository import record_change


class ApiKeys:
    """Keys of a tenant. They are revoked, never deleted: the ledger names them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def add(self, connection: AsyncConnection, tenant: str, record: KeyRecord) -> None:
        """Raises Conflict when the id is taken."""
        assert record.tenant == tenant
        values = {**asdict(record), "scopes": sorted(record.scopes)}
        try:
            await connection.execute(insert(api_keys).values(**values))
        except IntegrityError as error:
            raise Conflict(f"There is a key '{record.id}' already.", param="id") from error
        await record_change(connection, self._clock, "key", record.id)

    async def get(self, connection: AsyncConnection, tenant: str, key: str) -> KeyRecord:
        """Raises NotFound."""
        return as_key(await _row(connection, api_keys, tenant, key, "key"))

    async def list(
        self, connection: AsyncConnection, tenant: str, limit: int = USUAL, after: str | None = None
    ) -> Page[KeyRecord]:
        """Revoked and expired ones too."""
        statement = select(api_keys).where(api_keys.c.tenant == tenant)
        return await page(connection, statement, api_keys.c.id, limit, after, as_key)

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
    ) -> KeyRecord:
        """Set what is not None. Raises NotFound."""
        given = {
            "name": name,
            "scopes": None if scopes is None else sorted(set(scopes)),
            "expires": expires,
            "replaced_by": replaced_by,
            "revoked": revoked,
        }
        await self.get(connection, tenant, key)
        await _set(connection, api_keys, tenant, key, _given(given))
        await record_change(connection, self._clock, "key", key)
        return await self.get(connection, tenant, key)

    async def touch(
        self, connection: AsyncConnection, tenant: str, used: Mapping[str, float]
    ) -> None:
        """Note when keys were last used; a reading older than what is stored changes nothing."""
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


class Users:
    """Users of a tenant; an email belongs to one user of the whole cluster."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def add(self, connection: AsyncConnection, tenant: str, user: User) -> None:
        """Raises Conflict when the email is taken."""
        assert user.tenant == tenant
        try:
            await connection.execute(insert(users).values(**asdict(user)))
        except IntegrityError as error:
            raise Conflict("There is a user with this email already.", param="email") from error
        await record_change(connection, self._clock, "user", user.id)

    async def get(self, connection: AsyncConnection, tenant: str, user: str) -> User:
        """Raises NotFound."""
        return as_user(await _row(connection, users, tenant, user, "user"))

    async def find(self, connection: AsyncConnection, email: str) -> User | None:
        """By normalised email, for signing in, which is when the tenant becomes known."""
        statement = select(users).where(users.c.email == email)
        row = (await connection.execute(statement)).first()
        return None if row is None else as_user(row)

    async def list(
        self, connection: AsyncConnection, tenant: str, limit: int = USUAL, after: str | None = None
    ) -> Page[User]:
        statement = select(users).where(users.c.tenant == tenant)
        return await page(connection, statement, users.c.id, limit, after, as_user)

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
        """Set what is not None; `password` is the hash. Raises NotFound.

        Unless told otherwise, tokens issued until now are void and refresh tokens revoked.
        """
        now = self._clock.wall()
        await self.get(connection, tenant, user)
        given = {"role": role, "status": status, "password": password, "updated": now}
        given |= {"valid_after": now} if ends_sessions else {}
        await _set(connection, users, tenant, user, _given(given))
        if ends_sessions:
            await RefreshTokens(self._clock).revoke_user(connection, tenant, user)
        await record_change(connection, self._clock, "user", user)
        return await self.get(connection, tenant, user)

    async def delete(self, connection: AsyncConnection, tenant: str, user: str) -> None:
        """Also the user's refresh tokens. Raises NotFound."""
        await self.get(connection, tenant, user)
        await connection.execute(delete(users).where(users.c.tenant == tenant, users.c.id == user))
        await record_change(connection, self._clock, "user", user)


class RefreshTokens:
    """Refresh tokens; only sign-in, refresh and sign-out touch them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def add(self, connection: AsyncConnection, tenant: str, token: RefreshToken) -> None:
        assert token.tenant == tenant
        await connection.execute(insert(refresh_tokens).values(**asdict(token)))

    async def find(self, connection: AsyncConnection, token: str) -> RefreshToken | None:
        """By its id, and locked: of two that present the same token one waits for the other."""
        statement = select(refresh_tokens).where(refresh_tokens.c.id == token).with_for_update()
        row = (await connection.execute(statement)).first()
        return None if row is None else RefreshToken(**row._mapping)

    async def use(self, connection: AsyncConnection, tenant: str, token: str) -> None:
        await _set(connection, refresh_tokens, tenant, token, {"used": self._clock.wall()})

    async def revoke_family(self, connection: AsyncConnection, tenant: str, family: str) -> None:
        await self._revoke(connection, tenant, refresh_tokens.c.family == family)

    async def revoke_user(self, connection: AsyncConnection, tenant: str, user: str) -> None:
        await self._revoke(connection, tenant, refresh_tokens.c.user == user)

    async def forget_expired(self, connection: AsyncConnection, tenant: str, user: str) -> None:
        """Drop the user's tokens whose time is over; they are refused without a row as well."""
        mine = (refresh_tokens.c.tenant == tenant, refresh_tokens.c.user == user)
        over = refresh_tokens.c.expires <= self._clock.wall()
        await connection.execute(delete(refresh_tokens).where(*mine, over))

    async def _revoke(self, connection: AsyncConnection, tenant: str, which: Any) -> None:
        alive = refresh_tokens.c.revoked.is_(None)
        await connection.execute(
            update(refresh_tokens)
            .where(refresh_tokens.c.tenant == tenant, which, alive)
            .values(revoked=self._clock.wall())
        )


class SigningKeys:
    """Signing keys belong to the cluster, not to a tenant."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def add(self, connection: AsyncConnection, key: SigningKey) -> None:
        await connection.execute(insert(signing_keys).values(**asdict(key)))
        await record_change(connection, self._clock, "signing_key", key.id)

    async def list(self, connection: AsyncConnection, purpose: str) -> tuple[SigningKey, ...]:
        """Oldest first; there are never more than a few."""
        statement = select(signing_keys).where(signing_keys.c.purpose == purpose)
        ordered = statement.order_by(signing_keys.c.created, signing_keys.c.id)
        return tuple(SigningKey(**row._mapping) for row in await connection.execute(ordered))

    async def retire(self, connection: AsyncConnection, key: str, at: float) -> None:
        statement = update(signing_keys).where(signing_keys.c.id == key).values(retires=at)
        await connection.execute(statement)
        await record_change(connection, self._clock, "signing_key", key)

    async def delete(self, connection: AsyncConnection, key: str) -> None:
        await connection.execute(delete(signing_keys).where(signing_keys.c.id == key))
        await record_change(connection, self._clock, "signing_key", key)


def as_key(row: Row[Any]) -> KeyRecord:
    scopes = frozenset(Scope(scope) for scope in row.scopes)
    return KeyRecord(**{**row._mapping, "scopes": scopes})


def as_user(row: Row[Any]) -> User:
    return User(**{**row._mapping, "role": Role(row.role)})


async def _row(
    connection: AsyncConnection, table: Table, tenant: str, id: str, noun: str
) -> Row[Any]:
    statement = select(table).where(table.c.tenant == tenant, table.c.id == id)
    row = (await connection.execute(statement)).first() if is_id(tenant) and is_id(id) else None
    if row is None:
        raise NotFound(f"There is no {noun} '{id[:63]}'.", param=noun)
    return row


async def _set(
    connection: AsyncConnection, table: Table, tenant: str, id: str, values: Mapping[str, Any]
) -> None:
    mine = (table.c.tenant == tenant, table.c.id == id)
    if values:
        await connection.execute(update(table).where(*mine).values(**values))


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
