"""Who may enter an administrative route: dependencies named for what they grant.

Flows in: a request. Flows out: an `AdminAccess`, the authenticated call and the tenant that it may
act
in; or Unauthenticated (401), NotFound (404) or Forbidden (403). Another tenant's name is refused
before anything is looked up, in the same words as one that does not exist, whatever the caller's
scopes. What a caller may grant to others is decided in cluster/administration.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query, Request

from cluster.administration import Actor, Administration
from cluster.runtime.problems import NotFound
from cluster.tenants.caller import Scope
from cluster.tenants.plan import Id, RequestClass
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import RequestContext
from deployments.ingress.services import AppServices

MAX_RESOURCE = 300  # characters, as in the audit trail
Admitted = AsyncIterator[RequestContext]


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """An allowed call: who acts, in which tenant, on which administration."""

    call: RequestContext
    tenant: str
    office: Administration

    @property
    def actor(self) -> Actor:
        return Actor(self.call.caller, self.call.request_id)


def services_of(request: Request) -> AppServices:
    services: AppServices = request.app.state.services
    return services


async def authenticated(request: Request) -> RequestContext:
    """Raises Unauthenticated."""
    return authenticate(services_of(request), request, _class_of(request))


async def admit_request(
    request: Request, call: Annotated[RequestContext, Depends(authenticated)]
) -> Admitted:
    """Through the tenant's gate: counted against its limits, and kept in its audit trail."""
    action, resource = f"admin.{request.method.lower()}", request.scope["path"][:MAX_RESOURCE]
    gate = services_of(request).gate
    async with gate.admitted(call, _class_of(request), action, resource) as entrance:
        request.scope["state"]["fields"] = entrance.headers
        yield call


def _class_of(request: Request) -> RequestClass:
    return RequestClass.READ if request.method in ("GET", "HEAD") else RequestClass.ADMIN


AnyCaller = Annotated[RequestContext, Depends(admit_request)]
TenantInPath = Annotated[Id, Path(description="The tenant's id.")]
TenantInQuery = Annotated[
    Id | None, Query(description="The operator may name any tenant; others only their own.")
]


def _in_path(scope: Scope) -> Callable[..., Awaitable[AdminAccess]]:
    """Grants `scope` in the tenant that the path names."""

    async def enter(request: Request, call: AnyCaller, tenant: TenantInPath) -> AdminAccess:
        return await _enter(request, call, tenant, scope)

    return enter


def _in_query(scope: Scope) -> Callable[..., Awaitable[AdminAccess]]:
    """Grants `scope` in the tenant that `?tenant=` names, or the caller's own."""

    async def enter(request: Request, call: AnyCaller, tenant: TenantInQuery = None) -> AdminAccess:
        return await _enter(request, call, tenant or call.caller.tenant, scope)

    return enter


async def _anyone(request: Request, call: AnyCaller) -> AdminAccess:
    return AdminAccess(call, call.caller.tenant, services_of(request).administration())


def _of_the_cluster(scope: Scope) -> Callable[..., Awaitable[AdminAccess]]:
    """Grants `scope`, for what belongs to no tenant."""

    async def enter(request: Request, call: AnyCaller) -> AdminAccess:
        return await _enter(request, call, call.caller.tenant, scope)

    return enter


@asynccontextmanager
async def admit_long_lived(
    request: Request, scope: Scope, tenant: str | None
) -> AsyncIterator[AdminAccess]:
    """The same for an answer that goes on for hours: the slot is free where the body ends."""
    call = await authenticated(request)
    async with asynccontextmanager(admit_request)(request, call):
        yield await _enter(request, call, tenant or call.caller.tenant, scope)


async def _enter(request: Request, call: RequestContext, tenant: str, scope: Scope) -> AdminAccess:
    if tenant != call.caller.tenant and not call.caller.allows(Scope.ADMIN):
        raise NotFound(f"There is no tenant '{tenant}'.", param="tenant")
    call.require(scope)
    office = services_of(request).administration()
    if tenant != call.caller.tenant:
        await office.tenants.get(tenant)
    return AdminAccess(call, tenant, office)


Anyone = Annotated[AdminAccess, Depends(_anyone)]
Operator = Annotated[AdminAccess, Depends(_of_the_cluster(Scope.ADMIN))]
ReadsMetrics = Annotated[AdminAccess, Depends(_of_the_cluster(Scope.METRICS_READ))]
ReadsTenant = Annotated[AdminAccess, Depends(_in_path(Scope.TENANT_READ))]
WritesTenant = Annotated[AdminAccess, Depends(_in_path(Scope.TENANT_WRITE))]
ReadsKeys = Annotated[AdminAccess, Depends(_in_path(Scope.KEYS_READ))]
WritesKeys = Annotated[AdminAccess, Depends(_in_path(Scope.KEYS_WRITE))]
ReadsUsers = Annotated[AdminAccess, Depends(_in_path(Scope.USERS_READ))]
WritesUsers = Annotated[AdminAccess, Depends(_in_path(Scope.USERS_WRITE))]
ReadsWebhooks = Annotated[AdminAccess, Depends(_in_path(Scope.WEBHOOKS_READ))]
WritesWebhooks = Annotated[AdminAccess, Depends(_in_path(Scope.WEBHOOKS_WRITE))]
OperatesTenant = Annotated[AdminAccess, Depends(_in_path(Scope.ADMIN))]
ReadsUsage = Annotated[AdminAccess, Depends(_in_query(Scope.USAGE_READ))]
ReadsAudit = Annotated[AdminAccess, Depends(_in_query(Scope.AUDIT_READ))]
ReadsEvents = Annotated[AdminAccess, Depends(_in_query(Scope.WEBHOOKS_READ))]
ReadsCache = Annotated[AdminAccess, Depends(_in_query(Scope.CACHE_READ))]
WritesCache = Annotated[AdminAccess, Depends(_in_query(Scope.CACHE_WRITE))]
ReadsMedia = Annotated[AdminAccess, Depends(_in_query(Scope.MEDIA_READ))]
WritesMedia = Annotated[AdminAccess, Depends(_in_query(Scope.MEDIA_WRITE))]
