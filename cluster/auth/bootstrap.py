"""Making a home ready to serve: tables, pepper, the tenant "default" and its admin key.

Flows in: the home and the settings. Flows out: a store that a cluster can start on, and the first
admin key when this made one. Harmless when everything is there, and when two do it at once.
"""

from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.home import ADMIN, BOOTSTRAP_TENANT, admin_key, make_pepper, store_url
from cluster.auth.keys import Keys, mint
from cluster.auth.records import KeyRecord
from cluster.auth.repository import ApiKeys, as_key
from cluster.auth.signing import Signing
from cluster.clock import Clock, SystemClock
from cluster.problems import NotFound
from cluster.settings import Settings
from cluster.storage.blocking import run_to_end
from cluster.storage.database import Database
from cluster.storage.files import write_private
from cluster.storage.locks import Lock, hold
from cluster.storage.migrate import migrate
from cluster.storage.tables import api_keys
from cluster.tenants.caller import Scope
from cluster.tenants.plan import Plan
from cluster.tenants.repository import Plans, Tenants, record_change

__all__ = ["BOOTSTRAP_TENANT", "admin_key", "bootstrap"]

DEFAULT_PLAN = Plan(id="default", name="No limits")


def bootstrap(home: Path, settings: Settings, clock: Clock | None = None) -> str | None:
    """Make `home` ready to serve; return the first admin key if this call made it.

    `settings.bootstrap_key` replaces the generated one, whose copy in `admin.key` then goes.
    Raises ValueError if it has not the shape of a key, and whatever `migrate` raises.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    pepper = make_pepper(home, settings)
    url = store_url(home, settings)
    migrate(url)
    if settings.bootstrap_key is not None:
        (home / ADMIN).unlink(missing_ok=True)
    kept = admin_key(home, settings)
    key = kept or mint()
    run_to_end(_fill(url, pepper, key, clock or SystemClock()))
    if kept is not None:
        return None
    write_private(home / ADMIN, key.encode() + b"\n")
    return key


async def _fill(url: str, pepper: bytes, key: str, clock: Clock) -> None:
    database = Database(url)
    record = Keys(pepper, clock).record(
        key,
        BOOTSTRAP_TENANT,
        name="bootstrap",
        scopes=[Scope.ADMIN],
        created_by="system",
        bootstrap=True,
    )
    try:
        async with database.begin() as connection:
            await hold(connection, Lock.BOOTSTRAP)
            await _default_tenant(connection, clock)
            await _install(connection, record, clock)
            await Signing(pepper, clock).ensure(connection)
    finally:
        await database.close()


async def _default_tenant(connection: AsyncConnection, clock: Clock) -> None:
    plans, tenants = Plans(clock), Tenants(clock)
    try:
        await plans.get(connection, DEFAULT_PLAN.id)
    except NotFound:
        await plans.create(connection, DEFAULT_PLAN)
    try:
        await tenants.get(connection, BOOTSTRAP_TENANT)
    except NotFound:
        await tenants.create(connection, BOOTSTRAP_TENANT, "Default", DEFAULT_PLAN.id)


async def _install(connection: AsyncConnection, record: KeyRecord, clock: Clock) -> None:
    """Make `record` the one bootstrap key, unless it is, also if it was revoked since."""
    rows = await connection.execute(select(api_keys).where(api_keys.c.bootstrap))
    old = [as_key(row) for row in rows]
    if any(each.digest == record.digest for each in old):
        return
    for each in old:
        await connection.execute(delete(api_keys).where(api_keys.c.id == each.id))
        await record_change(connection, clock, "key", each.id)
    await ApiKeys(clock).add(connection, BOOTSTRAP_TENANT, record)
