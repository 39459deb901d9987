"""SQL of sessions: refresh tokens, and sessions that have ended early.

Methods take the caller's connection first and the tenant next, and never commit; another tenant's
id is NotFound. Changes for directories are written to the table `changes` in the same transaction.
Rows without a valid MAC are ignored (row_macs.py). Knows no authorization and no plain secrets.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.models import EndedSession, RefreshToken
from cluster.auth.row_macs import MAC, RowMacs, stored_values
from cluster.auth.rows import record_fields, update_row
from cluster.runtime.clock import Clock
from cluster.storage.tables import ended_sessions, refresh_tokens
from cluster.tenants.repository import record_change


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
        await update_row(connection, refresh_tokens, token.tenant, token.id, values)

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


def _as_token(values: Mapping[str, Any]) -> RefreshToken:
    return RefreshToken(**record_fields(RefreshToken, values))
