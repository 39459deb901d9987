"""`/api/v1/tenants`: who uses this cluster, and what they may use."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cluster.tenants.repository import Tenant
from cluster.tenants.settings import TenantSettings
from deployments.ingress.authentication import excluded_models
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.names.defaults import check_default_models, check_default_words
from deployments.ingress.permissions import (
    AdminAccess,
    OperatesTenant,
    Operator,
    ReadsTenant,
    WritesTenant,
    services_of,
)
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.admin import (
    LimitsResponse,
    LimitState,
    PageQuery,
    TenantCreate,
    TenantPage,
    TenantPatch,
    TenantResponse,
    TenantSettingsPatch,
    TenantSettingsResponse,
)

router = APIRouter(prefix="/api/v1/tenants", tags=["tenants"])


@router.get("", response_model=TenantPage, responses=LOOK, summary="List the tenants")
async def list_tenants(access: Operator, query: Annotated[PageQuery, Query()]) -> TenantPage:
    page = await access.admin.tenants.list(query.limit, query.cursor)
    return TenantPage(data=[_answer(each) for each in page.items], next_cursor=page.next)


@router.post(
    "",
    status_code=201,
    response_model=TenantResponse,
    responses=MAKE,
    summary="Add a tenant",
    openapi_extra=request_body(TenantCreate),
)
async def create_tenant(access: Operator, request: Request) -> TenantResponse:
    body = await read_json(request, TenantCreate)
    made = await access.admin.tenants.create(access.actor, body.id, body.name, body.plan)
    return _answer(made)


@router.get("/{tenant}", response_model=TenantResponse, responses=LOOK, summary="Show a tenant")
async def get_tenant(access: ReadsTenant) -> TenantResponse:
    return _answer(await access.admin.tenants.get(access.tenant))


@router.patch(
    "/{tenant}",
    response_model=TenantResponse,
    responses=CHANGE,
    summary="Rename a tenant; the operator also changes its plan and status",
    openapi_extra=request_body(TenantPatch),
)
async def update_tenant(access: WritesTenant, request: Request) -> TenantResponse:
    body = await read_json(request, TenantPatch)
    changed = await access.admin.tenants.update(
        access.actor, access.tenant, name=body.name, plan=body.plan, status=body.status
    )
    return _answer(changed)


@router.delete(
    "/{tenant}",
    status_code=204,
    responses=CHANGE,
    summary="Suspend a tenant; its data stays",
)
async def suspend_tenant(access: OperatesTenant) -> Response:
    await access.admin.tenants.update(access.actor, access.tenant, status="suspended")
    return Response(status_code=204)


@router.get(
    "/{tenant}/limits",
    response_model=LimitsResponse,
    responses=LOOK,
    summary="What the tenant may use, and what is left of it",
)
async def get_tenant_limits(access: ReadsTenant, request: Request) -> LimitsResponse:
    plan = await access.admin.tenants.plan(access.tenant)
    view = services_of(request).limit_status
    policies = access.request.policies if access.tenant == access.request.caller.tenant else None
    limits = await view(access.tenant, policies) if view else []
    state = [LimitState.model_validate(limit) for limit in limits]
    of_caller = () if policies is None else policies.subjects
    shown = {each.subject.partition(":")[0]: each.policy for each in of_caller}
    return LimitsResponse(tenant=access.tenant, plan=plan, state=state, **shown)


@router.get(
    "/{tenant}/settings",
    response_model=TenantSettingsResponse,
    responses=LOOK,
    summary="Show what the tenant has set",
)
async def get_tenant_settings(access: ReadsTenant) -> TenantSettingsResponse:
    return _settings(access, await access.admin.tenants.settings(access.tenant))


@router.patch(
    "/{tenant}/settings",
    response_model=TenantSettingsResponse,
    responses=CHANGE,
    summary="Change what the tenant has set",
    openapi_extra=request_body(TenantSettingsPatch),
)
async def update_tenant_settings(access: WritesTenant, request: Request) -> TenantSettingsResponse:
    """A model must be one that the tenant may use now, by its id or another name."""
    body = await read_json(request, TenantSettingsPatch)
    values = body.model_dump(include=body.model_fields_set)
    plan = await access.admin.tenants.plan(access.tenant)
    services = services_of(request)
    excludes = excluded_models(services, plan)

    def allows(model: str) -> bool:
        return plan.allows_model(model) and not (excludes is not None and excludes(model))

    check_default_models(services.models, allows, values)
    check_default_words(values)
    changed = await access.admin.tenants.update_settings(access.actor, access.tenant, values)
    return _settings(access, changed)


def _settings(access: AdminAccess, settings: TenantSettings) -> TenantSettingsResponse:
    return TenantSettingsResponse(tenant=access.tenant, **settings.model_dump())


def _answer(tenant: Tenant) -> TenantResponse:
    return TenantResponse(
        id=tenant.id,
        name=tenant.name,
        plan=tenant.plan,
        status=tenant.status,
        created=tenant.created,
        updated=tenant.updated,
    )
