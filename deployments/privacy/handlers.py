"""Jobs of kind `tenant.export` and `tenant.erase`.

In: a job whose spec names who asked for it, and a user or nobody. Out: a file with an export, or a
tenant of which nothing is left but its ledger and trail; and a record in the audit trail that says
how many rows were written or deleted. Both may be run again after a worker was killed anywhere.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import orjson
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit.record import AuditRecord
from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Overloaded
from cluster.storage.database import Database
from cluster.storage.tables import jobs
from cluster.tenants.repository import TenantRepository
from deployments.contracts.jobs import ENDED, Job, JobContext, JobResult
from deployments.jobs.store import JobStore
from deployments.privacy.erasure import (
    blank_tenant,
    erase_rows,
    erase_user,
    erased_tables,
    remaining_rows,
)
from deployments.privacy.export import ExportRequest, write_export
from deployments.privacy.tables import TenantTable

EXPORT, ERASE = "tenant.export", "tenant.erase"
KEEP_S = 7 * 86_400.0  # of an export's file, and of its job


class AuditAppender(Protocol):
    """cluster/audit/trail.py: AuditTrail."""

    async def append(self, connection: AsyncConnection, record: AuditRecord) -> None: ...


@dataclass(frozen=True)
class PrivacyParts:
    """`files` None: this cluster stores no files. `scratch` is a private folder, `secret_of` gives
    a tenant's secret."""

    database: Database
    jobs: JobStore
    trail: AuditAppender
    clock: Clock
    secret_of: Callable[[str], bytes]
    scratch: Path
    files: TenantFiles | None


class ExportHandler:
    """Implements JobHandler."""

    kind = EXPORT

    def __init__(self, parts: PrivacyParts) -> None:
        self._parts = parts

    async def run(self, work: JobContext) -> JobResult:
        """Raises StorageFull and what the stores raise."""
        parts, job = self._parts, work.job
        if parts.files is None:
            raise Overloaded("This cluster stores no files, so an export has no place.")
        user, now = job.spec.get("user"), parts.clock.wall()

        async def progress(percent: float) -> None:
            await work.report("tables", percent)

        parts.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parts.scratch) as folder:
            file = Path(folder) / "export.zip"
            request = ExportRequest(job.tenant, user, now)
            secret = parts.secret_of(job.tenant)
            counts = await write_export(parts.database, request, secret, file, progress)
            stored = await parts.files.put_file(
                job.tenant, export_path(job.id), file, "application/zip", now + KEEP_S
            )
        detail = {"rows": sum(counts.values()), "sha256": stored.sha256, "bytes": stored.bytes}
        async with parts.database.begin() as connection:
            await parts.trail.append(connection, _proof(job, "tenant.exported", now, detail))
        return JobResult("succeeded", {**detail, "tables": counts, "expires": now + KEEP_S})


class EraseHandler:
    """Implements JobHandler."""

    kind = ERASE

    def __init__(self, parts: PrivacyParts) -> None:
        self._parts = parts

    async def run(self, work: JobContext) -> JobResult:
        """Raises Overloaded while something is left, so that the job is tried again."""
        user = work.job.spec.get("user")
        counts = await (self._erase_tenant(work) if user is None else self._erase_user(work, user))
        return JobResult("succeeded", {"tables": counts, "rows": sum(counts.values())})

    async def _erase_tenant(self, work: JobContext) -> dict[str, int]:
        parts, job, tenant = self._parts, work.job, work.job.tenant
        repository = TenantRepository(parts.clock)

        async def suspend(connection: AsyncConnection) -> None:
            await repository.update(connection, tenant, status="suspended")

        await work.checkpoint("suspended", {}, suspend)
        await self._cancel_jobs(tenant, job.id)
        files = 0 if parts.files is None else await parts.files.delete_all(tenant)
        tables = erased_tables()
        for number, table in enumerate(tables):
            await self._erase_table(work, table)
            await work.report("tables", 100.0 * (number + 1) / len(tables))
        async with parts.database.read() as connection:
            left = await remaining_rows(connection, tenant, job.id)
        if left:
            raise Overloaded(f"Rows were added while others were deleted: {dict(left)}.")
        counts = {
            name.removeprefix("erased:"): int(value["rows"])
            for name, value in work.checkpoints.items()
            if name.startswith("erased:")
        }
        await work.checkpoint("blank", {}, partial(self._finish, job, counts, files))
        return counts

    async def _erase_table(self, work: JobContext, table: TenantTable) -> None:
        name, job = f"erased:{table.name}", work.job
        before = int(work.checkpoints.get(name, {"rows": 0})["rows"])
        async with self._parts.database.begin() as connection:
            clock = self._parts.clock
            gone = await erase_rows(connection, table, job.tenant, job.id, clock)
        await work.checkpoint(name, {"rows": before + gone})

    async def _finish(
        self, job: Job, counts: Mapping[str, int], files: int, connection: AsyncConnection
    ) -> None:
        parts = self._parts
        await blank_tenant(connection, job.tenant, parts.clock)
        detail = {"rows": sum(counts.values()), "files": files, "tables": _digest(counts)}
        record = _proof(job, "tenant.erased", parts.clock.wall(), detail)
        await parts.trail.append(connection, record)

    async def _erase_user(self, work: JobContext, user: str) -> dict[str, int]:
        parts, job = self._parts, work.job
        counts = {"jobs": await self._delete_jobs(job.tenant, job.id, user)}

        async def erase(connection: AsyncConnection) -> None:
            counts.update(await erase_user(connection, job.tenant, user, parts.clock))
            detail = {"user": user, "rows": sum(counts.values()), "tables": _digest(counts)}
            record = _proof(job, "user.erased", parts.clock.wall(), detail)
            await parts.trail.append(connection, record)

        await work.checkpoint("user", {}, erase)
        return counts

    async def _cancel_jobs(self, tenant: str, own: str) -> None:
        is_open = jobs.c.state.not_in(ENDED)
        for id in await self._jobs(jobs.c.tenant == tenant, jobs.c.id != own, is_open):
            await self._parts.jobs.cancel(tenant, id)

    async def _delete_jobs(self, tenant: str, own: str, user: str) -> int:
        """With their files. Raises Overloaded while a worker still has to let go of one."""
        store = self._parts.jobs
        ids = await self._jobs(jobs.c.tenant == tenant, jobs.c.id != own, jobs.c.key == user)
        waiting = [id for id in ids if (await store.cancel(tenant, id)).state not in ENDED]
        if waiting:
            raise Overloaded(f"{len(waiting)} jobs of the user have not ended yet.")
        for id in ids:
            await store.delete(tenant, id)
        return len(ids)

    async def _jobs(self, *which: ColumnElement[bool]) -> list[str]:
        async with self._parts.database.read() as connection:
            return list((await connection.execute(select(jobs.c.id).where(*which))).scalars())


def export_path(job: str) -> str:
    """Of the file of an export, within the tenant's files."""
    return f"exports/{job}.zip"


def _proof(job: Job, action: str, at: float, detail: Mapping[str, Any]) -> AuditRecord:
    resource = f"tenant:{job.tenant}" if "user" not in detail else f"user:{detail['user']}"
    said = {name: value for name, value in detail.items() if name != "user"}
    return AuditRecord(
        at,
        job.tenant,
        str(job.spec.get("actor", "system")),
        action,
        resource,
        request_id=job.request_id,
        detail={**said, "job": job.id},
    )


def _digest(counts: Mapping[str, int]) -> str:
    """SHA-256 of the numbers of rows by table, which the job's result shows."""
    return hashlib.sha256(orjson.dumps(dict(sorted(counts.items())))).hexdigest()
