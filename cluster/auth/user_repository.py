"""SQL of users.

Methods take the caller's connection first and the tenant next, and never commit; another tenant's
id is NotFound. Changes for directories are written to the table `changes` in the same transaction.
Rows without a valid MAC are ignored (row_macs.py). Knows no authorization and no plain secrets.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.models import User, UserStatus
from cluster.auth.row_macs import RowMacs, stored_values
from cluster.auth.rows import get_row, record_fields, update_row, without_none
from cluster.auth.session_repository import RefreshTokenRepository
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict
from cluster.storage.pagination import DEFAULT_LIMIT, Page, page
from cluster.storage.tables import users
from cluster.tenants.caller import Role
from cluster.tenants.repository import record_change

MAX_USERS_PER_EMAIL = 1_000  # users of one email that are read


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
        return as_user(await get_row(connection, self._macs, users, tenant, user, altered=altered))

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
        before = as_user(await get_row(connection, self._macs, users, tenant, user, lock=True))
        fields_to_set = {"role": role, "status": status, "password": password, "updated": now}
        fields_to_set |= {"valid_after": now} if ends_sessions else {}
        after = replace(before, **without_none(fields_to_set))
        await update_row(connection, users, tenant, user, self._macs.signed(users, asdict(after)))
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


def as_user(values: Mapping[str, Any]) -> User:
    return User(**{**record_fields(User, values), "role": Role(values["role"])})


def as_user_row(row: Row[Any]) -> User:
    return as_user(dict(row._mapping))
