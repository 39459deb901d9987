"""`/api/v1/tenants`: who uses this cluster, and what they may use."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cluster.tenants.repository import Tenant
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import (
    OperatesTenant,
    Operator,
    ReadsTenant,
    WritesTenant,
    services_of,
)
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.admin import (
    LimitsAnswer,
    LimitState,
    PageQuery,
    TenantAnswer,
    TenantChange,
    TenantCreate,
    TenantPage,
)

router = APIRouter(prefix="/api/v1/tenants", tags=["tenants"])


@router.get("", response_model=TenantPage, responses=LOOK, summary="List the tenants")
async def list_tenants(entry: Operator, query: Annotated[PageQuery, Query()]) -> TenantPage:
    found = await entry.office.tenants.list(query.limit, query.cursor)
    return TenantPage(data=[_answer(each) for each in found.items], next_cursor=found.next)


@router.post(
    "",
    status_code=201,
    response_model=TenantAnswer,
    responses=MAKE,
    summary="Add a tenant",
    openapi_extra=request_body(TenantCreate),
)
async def create_tenant(entry: Operator, request: Request) -> TenantAnswer:
    body = await read_json(request, TenantCreate)
    made = await entry.office.tenants.create(entry.actor, body.id, body.name, body.plan)
    return _answer(made)


@router.get("/{tenant}", response_model=TenantAnswer, responses=LOOK, summary="Show a tenant")
async def get_tenant(entry: ReadsTenant) -> TenantAnswer:
    return _answer(await entry.office.tenants.get(entry.tenant))


@router.patch(
    "/{tenant}",
    response_model=TenantAnswer,
    responses=CHANGE,
    summary="Rename a tenant; the operator also changes its plan and status",
    openapi_extra=request_body(TenantChange),
)
async def update_tenant(entry: WritesTenant, request: Request) -> TenantAnswer:
    body = await read_json(request, TenantChange)
    changed = await entry.office.tenants.update(
        entry.actor, entry.tenant, name=body.name, plan=body.plan, status=body.status
    )
    return _answer(changed)


@router.delete(
    "/{tenant}",
    status_code=204,
    responses=CHANGE,
    summary="Suspend a tenant; its data stays",
)
async def suspend_tenant(entry: OperatesTenant) -> Response:
    await entry.office.tenants.update(entry.actor, entry.tenant, status="suspended")
    return Response(status_code=204)


@router.get(
    "/{tenant}/limits",
    response_model=LimitsAnswer,
    responses=LOOK,
    summary="What the tenant may use, and what is left of it",
)
async def tenant_limits(entry: ReadsTenant, request: Request) -> LimitsAnswer:
    plan = await entry.office.tenants.plan(entry.tenant)
    view = services_of(request).limits_view
    limits = await view(entry.tenant) if view else []
    state = [LimitState.model_validate(limit) for limit in limits]
    return LimitsAnswer(tenant=entry.tenant, plan=plan, state=state)


def _answer(tenant: Tenant) -> TenantAnswer:
    return TenantAnswer(
        id=tenant.id,
        name=tenant.name,
        plan=tenant.plan,
        status=tenant.status,
        created=tenant.created,
        updated=tenant.updated,
    )
