"""Deletes rows whose time is over.

In: a table with the columns `tenant`, `id` and `expires` (Unix seconds). Out: how many rows went.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from sqlalchemy import Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock

BATCH = 500  # rows of one transaction, so that none is long


async def delete_expired(
    begin: Callable[[], AbstractAsyncContextManager[AsyncConnection]], rows: Table, clock: Clock
) -> int:
    """Deletes the expired rows of every tenant, each batch in a transaction of `begin`.

    Rows that another process holds are left to it. Raises what `begin` raises.
    """
    names = (rows.c.tenant, rows.c.id)
    total = 0
    while True:
        expired = select(*names).where(rows.c.expires <= clock.wall()).limit(BATCH)
        chosen = tuple_(*names).in_(expired.with_for_update(skip_locked=True))
        async with begin() as connection:
            gone = (await connection.execute(delete(rows).where(chosen))).rowcount
        if not gone:
            return total
        total += gone
