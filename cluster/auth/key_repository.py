"""SQL of API keys.

Methods take the caller's connection first and the tenant next, and never commit; another tenant's
id is NotFound. Changes for directories are written to the table `changes` in the same transaction.
Rows without a valid MAC are ignored (row_macs.py). Knows no authorization and no plain secrets.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row, bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.models import ApiKey
from cluster.auth.row_macs import RowMacs, stored_values
from cluster.auth.rows import get_row, record_fields, update_row, without_none
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict
from cluster.storage.pagination import DEFAULT_LIMIT, Page, page
from cluster.storage.tables import api_keys
from cluster.tenants.caller import Scope
from cluster.tenants.policy import LimitPolicy, parse_policy, policy_text
from cluster.tenants.repository import record_change

SCOPES_BY_VALUE = {scope.value: scope for scope in Scope}


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
        return as_key(await get_row(connection, self._macs, api_keys, tenant, key, altered=altered))

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
        row = await get_row(
            connection, self._macs, api_keys, tenant, key, altered=revoked is not None, lock=True
        )
        after = replace(as_key(row), **without_none(fields_to_set))
        values = self._macs.signed(api_keys, _key_values(after))
        del values["last_used"]  # which is written concurrently
        await update_row(connection, api_keys, tenant, key, values)
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
    return ApiKey(**{**record_fields(ApiKey, values), "scopes": scopes, **limits})


def as_key_row(row: Row[Any]) -> ApiKey:
    return as_key(dict(row._mapping))


def _key_values(record: ApiKey) -> dict[str, Any]:
    limits = {
        "policy": policy_text(record.policy),
        "team": record.team or None,
        "account": record.account or None,
    }
    return {**asdict(record), "scopes": sorted(record.scopes), **limits}
