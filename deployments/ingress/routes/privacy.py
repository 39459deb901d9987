"""`/api/v1/tenants/{tenant}/export` and `/erase`: what is stored of a tenant or of a user."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from cluster.runtime.problems import InvalidRequest
from cluster.storage.database import DatabaseUnavailable
from deployments.contracts.jobs import Job
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import WritesTenant, services_of
from deployments.ingress.routes.responses import CHANGE, LOOK
from deployments.ingress.schemas.privacy import (
    ErasureCreate,
    ErasureResponse,
    ExportCreate,
    ExportResponse,
)
from deployments.privacy.handlers import ERASE, EXPORT
from deployments.privacy.service import PrivacyServices

router = APIRouter(prefix="/api/v1/tenants", tags=["tenants"])
JobId = Annotated[str, Path(max_length=64, description="The job's id.")]


@router.post(
    "/{tenant}/export",
    status_code=202,
    response_model=ExportResponse,
    responses=CHANGE,
    summary="Export what is stored of a tenant or of one of its users",
    openapi_extra=request_body(ExportCreate),
)
async def export_tenant(
    access: WritesTenant, request: Request, response: Response
) -> ExportResponse:
    """Runs as a job, whose URL is in `Location`. Content is in plain, secrets are left out. The
    file lists recordings and does not contain them; they can be downloaded one by one."""
    body = await read_json(request, ExportCreate)
    privacy = _privacy(request)
    job = await privacy.export(access.admin, access.actor, access.tenant, body.user)
    response.headers["Location"] = f"/api/v1/tenants/{access.tenant}/export/{job.id}"
    return _export(privacy, job)


@router.get(
    "/{tenant}/export/{export}",
    response_model=ExportResponse,
    responses=LOOK,
    summary="How an export stands, and where its file is",
)
async def get_export(access: WritesTenant, export: JobId, request: Request) -> ExportResponse:
    privacy = _privacy(request)
    return _export(privacy, await privacy.find(access.tenant, EXPORT, export))


@router.post(
    "/{tenant}/erase",
    status_code=202,
    response_model=ErasureResponse,
    responses=CHANGE,
    summary="Erase what is stored of a tenant or of one of its users",
    openapi_extra=request_body(ErasureCreate),
)
async def erase_tenant(
    access: WritesTenant, request: Request, response: Response
) -> ErasureResponse:
    """Cannot be undone. The tenant is suspended first; from then on only the operator can ask how
    its erasure stands. The usage ledger and the audit trail stay, with ids and keyed hashes, and
    the trail says what was erased."""
    body = await read_json(request, ErasureCreate)
    if body.confirm != access.tenant:
        raise InvalidRequest(
            f"confirm: is '{body.confirm}', not the tenant's id '{access.tenant}'.", param="confirm"
        )
    privacy = _privacy(request)
    job = await privacy.erase(access.admin, access.actor, access.tenant, body.user)
    response.headers["Location"] = f"/api/v1/tenants/{access.tenant}/erase/{job.id}"
    return _erasure(job)


@router.get(
    "/{tenant}/erase/{erasure}",
    response_model=ErasureResponse,
    responses=LOOK,
    summary="How an erasure stands",
)
async def get_erasure(access: WritesTenant, erasure: JobId, request: Request) -> ErasureResponse:
    return _erasure(await _privacy(request).find(access.tenant, ERASE, erasure))


def _privacy(request: Request) -> PrivacyServices:
    """Raises DatabaseUnavailable where there is no store."""
    privacy = services_of(request).privacy
    if privacy is None:
        raise DatabaseUnavailable
    return privacy


def _export(privacy: PrivacyServices, job: Job) -> ExportResponse:
    result = job.result
    return ExportResponse(
        job=job.id,
        tenant=job.tenant,
        user=job.spec.get("user"),
        state=job.state,
        percent=job.percent,
        created=job.created,
        ended=job.ended,
        expires=result.get("expires"),
        tables=result.get("tables", {}),
        bytes=result.get("bytes"),
        sha256=result.get("sha256"),
        url=privacy.link(job),
        problem=None if job.problem is None else dict(job.problem),
    )


def _erasure(job: Job) -> ErasureResponse:
    return ErasureResponse(
        job=job.id,
        tenant=job.tenant,
        user=job.spec.get("user"),
        state=job.state,
        percent=job.percent,
        created=job.created,
        ended=job.ended,
        tables=job.result.get("tables", {}),
        problem=None if job.problem is None else dict(job.problem),
    )
