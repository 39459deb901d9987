"""One transaction at a time through a critical section, whichever store it is.

SQLite's writers already queue at BEGIN; PostgreSQL takes an advisory lock, which its transaction
holds until it ends.
"""

from enum import IntEnum

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection


class Lock(IntEnum):
    """What is guarded. The numbers are the store's: never change one."""

    MIGRATIONS = 0x6D6F6201
    BOOTSTRAP = 0x6D6F6202
    CHANGES = 0x6D6F6203
    SIGNING_KEYS = 0x6D6F6204
    AUDIT_START = 0x6D6F6205  # where the chains of the audit trail begin


async def advisory_lock(connection: AsyncConnection, lock: Lock) -> None:
    """Wait for `lock` and keep it until the transaction of `connection` ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(lock.value)))


async def advisory_lock_shared(connection: AsyncConnection, lock: Lock) -> None:
    """Wait until nobody holds `lock`, and let nobody but others who share it have it meanwhile.

    On SQLite nobody waits: a reader sees one state of the store.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock_shared(lock.value)))
