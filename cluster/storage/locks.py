"""Locks for critical sections of transactions, on both databases.

SQLite's writers queue at BEGIN; PostgreSQL takes an advisory lock until the transaction ends.
"""

from enum import IntEnum

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection


class Lock(IntEnum):
    """The locks. The numbers are stored in databases: never change one."""

    MIGRATIONS = 0x6D6F6201
    BOOTSTRAP = 0x6D6F6202
    CHANGES = 0x6D6F6203
    SIGNING_KEYS = 0x6D6F6204
    AUDIT_START = 0x6D6F6205  # where the chains of the audit trail begin


async def advisory_lock(connection: AsyncConnection, lock: Lock) -> None:
    """Takes `lock` exclusively until the transaction of `connection` ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(lock.value)))


async def advisory_lock_shared(connection: AsyncConnection, lock: Lock) -> None:
    """Takes `lock` shared until the transaction of `connection` ends.

    No lock is necessary on SQLite: a reader sees one snapshot.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock_shared(lock.value)))
