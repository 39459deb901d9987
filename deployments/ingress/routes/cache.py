"""`/api/v1/cache`: making cached answers worthless, and how the cache does."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from cluster.administration.cache import VISIBLE_WITHIN_S
from cluster.invalidation.target import EVERYBODY
from cluster.runtime.problems import InvalidRequest
from cluster.tenants.caller import Scope
from deployments.contracts.cache import CacheStats
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.names.model_names import ModelNames
from deployments.ingress.permissions import (
    AdminAccess,
    ReadsCache,
    WritesCache,
    services_of,
)
from deployments.ingress.routes.responses import CHANGE, LOOK
from deployments.ingress.schemas.cache import (
    CacheFigures,
    CacheStatsResponse,
    InvalidationCreate,
    InvalidationQuery,
    InvalidationResponse,
    InvalidationTarget,
    TenantQuery,
)

router = APIRouter(prefix="/api/v1/cache", tags=["cache"])


@router.post(
    "/invalidations",
    response_model=InvalidationResponse,
    responses=CHANGE,
    summary="Invalidate what is stored under a tag or a prefix, of a model, or everything",
    openapi_extra=request_body(InvalidationCreate),
)
async def invalidate_cache(
    access: WritesCache, query: Annotated[TenantQuery, Query()], request: Request
) -> InvalidationResponse:
    """Answers whose computing began before are served no more, on any replica."""
    return await _invalidate(access, query, await read_json(request, InvalidationCreate), request)


@router.delete(
    "",
    response_model=InvalidationResponse,
    responses=CHANGE,
    summary="The same by query; without one, everything of the tenant",
)
async def clear_cache(
    access: WritesCache, query: Annotated[InvalidationQuery, Query()], request: Request
) -> InvalidationResponse:
    return await _invalidate(access, query, query, request)


@router.get(
    "/stats",
    response_model=CacheStatsResponse,
    responses=LOOK,
    summary="How the cache does, by tier",
)
async def get_cache_stats(
    access: ReadsCache, query: Annotated[TenantQuery, Query()], request: Request
) -> CacheStatsResponse:
    """Counted since the replicas started. Where nothing is cached, everything is 0 and off."""
    if query.all_tenants:
        access.request.require(Scope.ADMIN)
    tenant = None if query.all_tenants else access.tenant
    ask = services_of(request).cache_stats
    figures = CacheFigures.model_validate(await ask(tenant) if ask else CacheStats())
    return CacheStatsResponse(tenant=tenant, **figures.model_dump())


async def _invalidate(
    access: AdminAccess, whose: TenantQuery, what: InvalidationTarget, request: Request
) -> InvalidationResponse:
    what = _by_model_id(services_of(request).models.names, what)
    tenant = None if whose.all_tenants else access.tenant
    target = what.target(EVERYBODY if tenant is None else tenant)
    made = await access.admin.cache.invalidate(access.actor, tenant, target)
    return InvalidationResponse(
        tenant=tenant,
        kind=made.kind,
        name=made.name,
        seq=made.seq,
        visible_within_s=VISIBLE_WITHIN_S,
    )


def _by_model_id(names: ModelNames, what: InvalidationTarget) -> InvalidationTarget:
    """With the id of the model for which a name stands: answers are stored under ids. Raises
    InvalidRequest where it stands for several."""
    choice = None if what.model is None else names.find(what.model)
    if choice is None:
        return what
    if len(choice.models) > 1:
        raise InvalidRequest(
            f"model: '{what.model}' stands for several models; name one of them by its id.",
            param="model",
        )
    return what.model_copy(update={"model": choice.models[0]})
