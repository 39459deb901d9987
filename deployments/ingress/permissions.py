"""Who may use a route, as FastAPI dependencies: authenticate, admit, check scope and tenant.

Flows in: a request. Flows out: an AdminAccess or a MediaAccess for as long as the request is
served; or Unauthenticated (401), Forbidden (403), NotFound (404). Another tenant is refused before
anything is looked up, in the same words as one that does not exist, whatever the caller's scopes.
What a caller may grant to others is decided in cluster/administration.
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
from deployments.ingress.admission import MAX_RESOURCE
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.services import AppServices
from deployments.video.services import MediaServices, require_media

Admission = AsyncIterator[AdmittedRequest]


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """An admitted request to administer something: in which tenant, by which administration."""

    request: AdmittedRequest
    tenant: str
    admin: Administration

    @property
    def actor(self) -> Actor:
        return Actor(self.request.caller, self.request.request_id)


@dataclass(frozen=True, slots=True)
class MediaAccess:
    """An admitted request that concerns recordings of the caller's tenant."""

    request: AdmittedRequest
    media: MediaServices

    @property
    def tenant(self) -> str:
        return self.request.caller.tenant

    @property
    def key(self) -> str:
        return self.request.caller.key_id


def services_of(request: Request) -> AppServices:
    services: AppServices = request.app.state.services
    return services


async def admit_request(request: Request) -> Admission:
    """Admit the request: counted against its tenant's limits, and recorded in its audit trail."""
    services = services_of(request)
    is_read = request.method in ("GET", "HEAD")
    request_class = RequestClass.READ if is_read else RequestClass.ADMIN
    context = authenticate(services, request, request_class)
    action, resource = f"admin.{request.method.lower()}", request.scope["path"][:MAX_RESOURCE]
    admission = services.admission.admitted(context, request_class, action, resource)
    async with admission as admitted:
        yield admitted


AnyCaller = Annotated[AdmittedRequest, Depends(admit_request)]
TenantInPath = Annotated[Id, Path(description="The tenant's id.")]
TenantInQuery = Annotated[
    Id | None, Query(description="The operator may name any tenant; others only their own.")
]


@asynccontextmanager
async def admit_long_lived(
    request: Request, scope: Scope, tenant: str | None
) -> AsyncIterator[AdminAccess]:
    """Access for a route whose response goes on for hours: the slot is freed at the end of the
    body of the `async with`.
    """
    async with asynccontextmanager(admit_request)(request) as admitted:
        yield await _grant(request, admitted, tenant or admitted.caller.tenant, scope)


async def _grant(
    request: Request, admitted: AdmittedRequest, tenant: str, scope: Scope
) -> AdminAccess:
    caller = admitted.caller
    if tenant != caller.tenant and not caller.allows(Scope.ADMIN):
        raise NotFound(f"There is no tenant '{tenant}'.", param="tenant")
    admitted.require(scope)
    admin = services_of(request).administration()
    if tenant != caller.tenant:
        await admin.tenants.get(tenant)
    return AdminAccess(admitted, tenant, admin)


def _in_path(scope: Scope) -> Callable[..., Awaitable[AdminAccess]]:
    """Grants `scope` in the tenant that the path names."""

    async def grant(request: Request, admitted: AnyCaller, tenant: TenantInPath) -> AdminAccess:
        return await _grant(request, admitted, tenant, scope)

    return grant


def _in_query(scope: Scope) -> Callable[..., Awaitable[AdminAccess]]:
    """Grants `scope` in the tenant that `?tenant=` names, or the caller's own."""

    async def grant(
        request: Request, admitted: AnyCaller, tenant: TenantInQuery = None
    ) -> AdminAccess:
        return await _grant(request, admitted, tenant or admitted.caller.tenant, scope)

    return grant


def _in_cluster(scope: Scope) -> Callable[..., Awaitable[AdminAccess]]:
    """Grants `scope`, in the caller's own tenant or for what belongs to none."""

    async def grant(request: Request, admitted: AnyCaller) -> AdminAccess:
        return await _grant(request, admitted, admitted.caller.tenant, scope)

    return grant


async def _anyone(request: Request, admitted: AnyCaller) -> AdminAccess:
    return AdminAccess(admitted, admitted.caller.tenant, services_of(request).administration())


def _in_media(
    scope: Scope, request_class: RequestClass
) -> Callable[..., AsyncIterator[MediaAccess]]:
    """Grants `scope` in the caller's tenant; counted as one request of the class."""

    async def grant(request: Request) -> AsyncIterator[MediaAccess]:
        services = services_of(request)
        context = authenticate(services, request, request_class)
        action, resource = f"media.{request.method.lower()}", request.scope["path"][:MAX_RESOURCE]
        async with services.admission.admitted(
            context, request_class, action, resource, scope
        ) as admitted:
            yield MediaAccess(admitted, require_media(services.media))

    return grant


async def _reads_audio(request: Request) -> Admission:
    """Grants reading of results about recordings; counted as one request of the class `read`."""
    services = services_of(request)
    context = authenticate(services, request, RequestClass.READ)
    async with services.admission.admitted(
        context,
        RequestClass.READ,
        "audio.get",
        request.scope["path"][:MAX_RESOURCE],
        Scope.MEDIA_READ,
    ) as admitted:
        yield admitted


Anyone = Annotated[AdminAccess, Depends(_anyone)]
Operator = Annotated[AdminAccess, Depends(_in_cluster(Scope.ADMIN))]
ReadsCluster = Annotated[AdminAccess, Depends(_in_cluster(Scope.CLUSTER_READ))]
WritesCluster = Annotated[AdminAccess, Depends(_in_cluster(Scope.CLUSTER_WRITE))]
ReadsMetrics = Annotated[AdminAccess, Depends(_in_cluster(Scope.METRICS_READ))]
GeneratesHere = Annotated[AdminAccess, Depends(_in_cluster(Scope.GENERATE))]
ReadsTenant = Annotated[AdminAccess, Depends(_in_path(Scope.TENANT_READ))]
WritesTenant = Annotated[AdminAccess, Depends(_in_path(Scope.TENANT_WRITE))]
ReadsKeys = Annotated[AdminAccess, Depends(_in_path(Scope.KEYS_READ))]
WritesKeys = Annotated[AdminAccess, Depends(_in_path(Scope.KEYS_WRITE))]
ReadsTeams = Annotated[AdminAccess, Depends(_in_query(Scope.KEYS_READ))]
WritesTeams = Annotated[AdminAccess, Depends(_in_query(Scope.KEYS_WRITE))]
ReadsUsers = Annotated[AdminAccess, Depends(_in_path(Scope.USERS_READ))]
WritesUsers = Annotated[AdminAccess, Depends(_in_path(Scope.USERS_WRITE))]
ReadsWebhooks = Annotated[AdminAccess, Depends(_in_path(Scope.WEBHOOKS_READ))]
WritesWebhooks = Annotated[AdminAccess, Depends(_in_path(Scope.WEBHOOKS_WRITE))]
OperatesTenant = Annotated[AdminAccess, Depends(_in_path(Scope.ADMIN))]
ReadsUsage = Annotated[AdminAccess, Depends(_in_query(Scope.USAGE_READ))]
ReadsAudit = Annotated[AdminAccess, Depends(_in_query(Scope.AUDIT_READ))]
ReadsTraces = Annotated[AdminAccess, Depends(_in_query(Scope.AUDIT_READ))]
ReadsEvents = Annotated[AdminAccess, Depends(_in_query(Scope.WEBHOOKS_READ))]
ReadsCache = Annotated[AdminAccess, Depends(_in_query(Scope.CACHE_READ))]
WritesCache = Annotated[AdminAccess, Depends(_in_query(Scope.CACHE_WRITE))]
ReadsTemplates = Annotated[AdminAccess, Depends(_in_query(Scope.TENANT_READ))]
WritesTemplates = Annotated[AdminAccess, Depends(_in_query(Scope.TENANT_WRITE))]
TestsTemplates = Annotated[AdminAccess, Depends(_in_cluster(Scope.TENANT_READ))]
ReadsClassifiers = Annotated[AdminAccess, Depends(_in_cluster(Scope.LIBRARY_READ))]
WritesClassifiers = Annotated[AdminAccess, Depends(_in_cluster(Scope.LIBRARY_WRITE))]
ReadsLibrary = Annotated[AdminAccess, Depends(_in_query(Scope.LIBRARY_READ))]
WritesLibrary = Annotated[AdminAccess, Depends(_in_query(Scope.LIBRARY_WRITE))]
ReadsSearch = Annotated[AdminAccess, Depends(_in_cluster(Scope.SEARCH_READ))]
WritesSearch = Annotated[AdminAccess, Depends(_in_cluster(Scope.SEARCH_WRITE))]
ReadsAnalytics = Annotated[AdminAccess, Depends(_in_query(Scope.ANALYTICS_READ))]
WritesAnalytics = Annotated[AdminAccess, Depends(_in_query(Scope.ANALYTICS_WRITE))]
ReadsJobs = Annotated[AdminAccess, Depends(_in_query(Scope.MEDIA_READ))]
WritesJobs = Annotated[AdminAccess, Depends(_in_query(Scope.MEDIA_WRITE))]
ReadsMedia = Annotated[MediaAccess, Depends(_in_media(Scope.MEDIA_READ, RequestClass.READ))]
ChecksUpload = Annotated[MediaAccess, Depends(_in_media(Scope.MEDIA_WRITE, RequestClass.READ))]
WritesMedia = Annotated[MediaAccess, Depends(_in_media(Scope.MEDIA_WRITE, RequestClass.MEDIA))]
ReadsAudio = Annotated[AdmittedRequest, Depends(_reads_audio)]
