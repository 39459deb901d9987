"""Prepares a home: tables, pepper, the tenant "default" and its admin key.

In: the home and the settings. Out: a database that a cluster can use, and the admin key if it was
created. Idempotent, and safe to run concurrently.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit.keys import AuditKeys
from cluster.audit.record import AuditRecord
from cluster.audit.trail import AuditTrail
from cluster.auth.adoption import adopt, is_done, is_older_home, mark_done
from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.keys import ApiKeyIssuer, mint
from cluster.auth.models import ApiKey
from cluster.auth.row_macs import RowMacs
from cluster.auth.signing import SigningKeyService
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.problems import NotFound
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import (
    ADMIN,
    AUDIT,
    BOOTSTRAP_TENANT,
    admin_key,
    make_pepper,
    store_url,
)
from cluster.storage.database import Database, run_sync
from cluster.storage.files import write_private
from cluster.storage.locks import Lock, advisory_lock
from cluster.storage.migrate import migrate
from cluster.storage.tables import api_keys
from cluster.tenants.caller import Scope
from cluster.tenants.plan import Plan
from cluster.tenants.repository import PlanRepository, TenantRepository, record_change

__all__ = ["BOOTSTRAP_TENANT", "admin_key", "bootstrap"]

log = logging.getLogger("mobula.bootstrap")

ROWS_SIGNED = "auth.rows_signed"
ADMIN_KEY, METRICS_KEY = "bootstrap", "metrics"  # names of keys from the settings
DEFAULT_PLAN = Plan(id="default", name="No limits")


def bootstrap(
    home: Path, settings: Settings, clock: Clock | None = None, *, adopt_rows: bool = False
) -> str | None:
    """Prepares `home`; returns the admin key if this call created it.

    `settings.bootstrap_key` replaces the generated one, whose copy in `admin.key` is deleted.
    `adopt_rows` signs every row of keys and users as it is (adoption.py). Raises ValueError for an
    invalid key, NotAdopted, and the exceptions of `migrate`.
    """
    clock = clock or SystemClock()
    older = is_older_home(home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    pepper = make_pepper(home, settings)
    url = store_url(home, settings)
    migrate(url)
    if settings.bootstrap_key is not None:
        (home / ADMIN).unlink(missing_ok=True)
    existing_key = admin_key(home, settings)
    key = existing_key or mint()
    metrics = settings.metrics_key.get_secret_value() if settings.metrics_key else None
    initialization = _Initialization(home, pepper, clock, older, adopt_rows)
    run_sync(initialization.fill(url, key, metrics))
    mark_done(home, clock.wall())
    if existing_key is not None:
        return None
    write_private(home / ADMIN, key.encode() + b"\n")
    return key


@dataclass(frozen=True, slots=True)
class _Initialization:
    """`older`: an earlier version used `home`; `forced`: the operator requested the adoption."""

    home: Path
    pepper: bytes = field(repr=False)
    clock: Clock
    older: bool
    forced: bool

    async def fill(self, url: str, key: str, metrics: str | None) -> None:
        """Writes the tenant and its keys; `key` and `metrics` are keys of the operator's tenant."""
        database, clock, macs = Database(url), self.clock, RowMacs(self.pepper)
        records = [self._record(ADMIN_KEY, key, Scope.ADMIN)]
        if metrics is not None:
            records.append(self._record(METRICS_KEY, metrics, Scope.METRICS_READ))
        try:
            async with database.begin() as connection:
                await advisory_lock(connection, Lock.BOOTSTRAP)
                trail = await self._adopt(database, connection, macs)
                await _default_tenant(connection, clock)
                for record in records:
                    await _install(connection, record, clock, macs)
                await SigningKeyService(self.pepper, clock).ensure(connection)
            if trail is not None:
                await trail.close()
        finally:
            await database.close()

    def _record(self, name: str, key: str, scope: Scope) -> ApiKey:
        return ApiKeyIssuer(self.pepper, self.clock).record(
            key,
            BOOTSTRAP_TENANT,
            name=name,
            scopes=[scope],
            created_by="system",
            bootstrap=True,
        )

    async def _adopt(
        self, database: Database, connection: AsyncConnection, macs: RowMacs
    ) -> AuditTrail | None:
        """Signs rows; returns the trail that recorded it, to be closed after the commit."""
        done = is_done(self.home)
        signed = await adopt(
            connection, macs, self.clock, done=done, trusted=self.older, forced=self.forced
        )
        if not signed:
            return None
        log.warning("rows without a MAC were signed: %s", signed)
        keys = AuditKeys.derive(self.pepper)
        trail = AuditTrail(database, "bootstrap", keys, self.home / AUDIT, self.clock)
        detail = {**signed, "forced": self.forced}
        record = AuditRecord(
            self.clock.wall(), "-", "system", ROWS_SIGNED, "store:rows", detail=detail
        )
        await trail.append(connection, record)
        return trail


async def _default_tenant(connection: AsyncConnection, clock: Clock) -> None:
    plans, tenants = PlanRepository(clock), TenantRepository(clock)
    try:
        await plans.get(connection, DEFAULT_PLAN.id)
    except NotFound:
        await plans.create(connection, DEFAULT_PLAN)
    try:
        await tenants.get(connection, BOOTSTRAP_TENANT)
    except NotFound:
        await tenants.create(connection, BOOTSTRAP_TENANT, "Default", DEFAULT_PLAN.id)


async def _install(
    connection: AsyncConnection, record: ApiKey, clock: Clock, macs: RowMacs
) -> None:
    """Makes `record` the only bootstrap key of its name, unless it already is. An existing record
    that was revoked or altered stays as it is."""
    columns = (api_keys.c.id, api_keys.c.digest, api_keys.c.name)
    rows = (await connection.execute(select(*columns).where(api_keys.c.bootstrap))).all()
    if any(row.digest == record.digest for row in rows):
        return
    for_metrics = record.name == METRICS_KEY
    old = [row for row in rows if (row.name == METRICS_KEY) is for_metrics]
    for row in old:
        await connection.execute(delete(api_keys).where(api_keys.c.id == row.id))
        await record_change(connection, clock, "key", row.id)
    await ApiKeyRepository(clock, macs).add(connection, BOOTSTRAP_TENANT, record)
