"""Deletes what is stored of a tenant, or of one of its users.

In: transactions. Out: how many rows went, by table. The ledger and the audit trail stay, with ids
and keyed hashes only. A tenant's row stays, too, suspended, without its name, and with another
secret, so that what is still encrypted with the old one, in caches and backups, opens no more.
"""

import secrets
from collections.abc import Mapping

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.storage.tables import jobs, tenants
from cluster.tenants.repository import Kind, record_change, record_changes
from deployments.privacy.tables import TENANT_TABLES, TenantTable

_CREDENTIALS: Mapping[str, Kind] = {"api_keys": "key", "users": "user"}


def erased_tables() -> tuple[TenantTable, ...]:
    """In the order in which their rows are deleted."""
    return tuple(table for table in TENANT_TABLES if not table.is_kept)


async def erase_rows(
    connection: AsyncConnection, table: TenantTable, tenant: str, own_job: str, clock: Clock
) -> int:
    """Delete the tenant's rows of one table, except the job that does so; returns the number. The
    directories of all replicas are told of keys and users that go."""
    doomed = table.erased(tenant)
    kind = _CREDENTIALS.get(table.name)
    if kind is not None:
        ids = list((await connection.execute(select(table.table.c.id).where(doomed))).scalars())
        if ids:
            await record_changes(connection, clock, kind, ids)
    if table.table is jobs:
        doomed = and_(doomed, jobs.c.id != own_job)
    return (await connection.execute(delete(table.table).where(doomed))).rowcount


async def remaining_rows(
    connection: AsyncConnection, tenant: str, own_job: str
) -> Mapping[str, int]:
    """The rows that an erasure has still to delete, by table; empty: none."""
    found = {}
    for table in erased_tables():
        query = select(func.count()).select_from(table.table).where(table.erased(tenant))
        if table.table is jobs:
            query = query.where(jobs.c.id != own_job)
        count = int((await connection.execute(query)).scalar_one())
        if count:
            found[table.name] = count
    return found


async def blank_tenant(connection: AsyncConnection, tenant: str, clock: Clock) -> None:
    """Leave the tenant's row without its name, and with another secret."""
    blank = update(tenants).values(
        name=tenant,
        secret=secrets.token_bytes(32),
        status="suspended",
        updated=clock.wall(),
    )
    await connection.execute(blank.where(tenants.c.id == tenant))
    await record_change(connection, clock, "tenant", tenant)


async def erase_user(
    connection: AsyncConnection, tenant: str, user: str, clock: Clock
) -> dict[str, int]:
    """Delete the account and the sessions of a user, whose jobs are gone already; returns the
    numbers of rows by table."""
    counts = {}
    for table in TENANT_TABLES:
        if table.leaves_with_user and table.table is not jobs:
            result = await connection.execute(
                delete(table.table).where(table.of_user(tenant, user))
            )
            counts[table.name] = result.rowcount
    await record_change(connection, clock, "user", user)
    return counts
