"""Orders exports and erasures: a job and its audit record in one transaction.

In: an actor, a tenant, a user or nobody. Out: the job. Raises Conflict for the operator's own
tenant and for a tenant's last owner. Who may order what is decided by the routes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cluster.administration import Actor, Administration
from cluster.blobs.links import DownloadLinks
from cluster.runtime.problems import Conflict, NotFound
from cluster.secrets.key_files import BOOTSTRAP_TENANT
from cluster.tenants.caller import Priority
from deployments.contracts.jobs import Job, NewJob
from deployments.jobs.store import JobStore
from deployments.privacy.handlers import ERASE, EXPORT, KEEP_S, export_path

MAX_ATTEMPTS = 20
LINK_S = 3_600.0


@dataclass(frozen=True)
class PrivacyServices:
    """`links` None: this cluster stores no files, so nothing can be exported. `wake` tells the
    worker of this process that a job was added."""

    jobs: JobStore
    links: DownloadLinks | None
    wake: Callable[[], None]

    async def export(
        self, admin: Administration, actor: Actor, tenant: str, user: str | None
    ) -> Job:
        """Raises NotFound (user, or a cluster without files)."""
        if self.links is None:
            raise NotFound("This cluster stores no files (video is off), so nothing is exported.")
        if user is not None:
            await admin.users.get(tenant, user)
        return await self._order(admin, actor, tenant, EXPORT, user)

    async def erase(
        self, admin: Administration, actor: Actor, tenant: str, user: str | None
    ) -> Job:
        """Raises NotFound (user), Conflict."""
        if user is None and tenant == BOOTSTRAP_TENANT:
            raise Conflict("The operator's own tenant cannot be erased.", param="tenant")
        return await self._order(admin, actor, tenant, ERASE, user)

    async def find(self, tenant: str, kind: str, id: str) -> Job:
        """Raises NotFound, also for a job of another kind."""
        job = await self.jobs.get(tenant, id)
        if job.kind != kind:
            raise NotFound(f"There is no job '{id[:64]}'.", param="job")
        return job

    def link(self, job: Job) -> str | None:
        """Where the file of a finished export can be fetched for an hour; None: nowhere."""
        if self.links is None or job.state != "succeeded":
            return None
        name = f"{job.tenant}-export.zip"
        return f"/files/{self.links.sign(job.tenant, export_path(job.id), LINK_S, name)}"

    async def _order(
        self, admin: Administration, actor: Actor, tenant: str, kind: str, user: str | None
    ) -> Job:
        resource = f"tenant:{tenant}" if user is None else f"user:{user}"
        spec: dict[str, Any] = {"actor": actor.name, "user": user}
        new = NewJob(
            tenant=tenant,
            kind=kind,
            key=actor.caller.key_id,
            spec=spec,
            subject=user or "",
            priority=Priority.BATCH,
            max_attempts=MAX_ATTEMPTS,
            keep_s=KEEP_S,
            request_id=actor.request_id,
        )
        async with admin.tenants.audited(actor, tenant, kind, resource) as change:
            await change.lock_tenant()
            if user is not None and kind == ERASE:
                await admin.users.check_removable(change, user)
            job = await self.jobs.create(change.connection, new)
            change.detail["job"] = job.id
        self.wake()
        return job
