"""Keys that are about to expire: told once each, a week ahead, by whichever process looks first.

Flows in: a transaction. Flows out: `key.expiring` events in the outbox. Reads the keys of every
tenant, as it serves them all.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.events.kinds import EventKind
from cluster.events.outbox import publish
from cluster.runtime.clock import Clock
from cluster.storage.tables import api_keys

AHEAD_S = 7 * 86_400.0


async def announce_expiring(connection: AsyncConnection, clock: Clock) -> None:
    """A rotated key is left out: who rotated it knows when its grace ends."""
    now = clock.wall()
    found = await connection.execute(
        select(api_keys.c.id, api_keys.c.tenant, api_keys.c.expires).where(
            api_keys.c.expires > now,
            api_keys.c.expires <= now + AHEAD_S,
            api_keys.c.revoked.is_(None),
            api_keys.c.replaced_by.is_(None),
        )
    )
    for key in found.all():
        said = {"id": key.id, "expires": key.expires}
        once = f"{key.id}|{key.expires}"
        await publish(connection, clock, key.tenant, EventKind.KEY_EXPIRING, said, once=once)
