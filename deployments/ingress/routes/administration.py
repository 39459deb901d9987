"""Every administrative route, and the bodies that they take."""

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from cluster.tenants.plan import Plan
from deployments.ingress.routes import (
    admin_keys,
    admin_plans,
    admin_tenants,
    admin_users,
    audit,
    auth,
    cache,
    clips,
    files,
    jobs,
    metrics,
    scaling,
    uploads,
    usage,
    videos,
    webhooks,
)
from deployments.ingress.routes.responses import NO_STORE
from deployments.ingress.schemas.admin import (
    EmptyBody,
    KeyChange,
    KeyCreate,
    KeyRotation,
    TenantChange,
    TenantCreate,
    UserChange,
    UserCreate,
)
from deployments.ingress.schemas.auth import Login, PasswordChange, Refresh
from deployments.ingress.schemas.cache import InvalidationCreate
from deployments.ingress.schemas.clips import ClipRequest
from deployments.ingress.schemas.records import (
    AuditPrune,
    WebhookChange,
    WebhookCreate,
    WebhookRotation,
)
from deployments.ingress.schemas.scaling import BoundsPut
from deployments.ingress.schemas.videos import VideoImport

BODIES: tuple[type[BaseModel], ...] = (
    Login,
    Refresh,
    PasswordChange,
    EmptyBody,
    Plan,
    TenantCreate,
    TenantChange,
    KeyCreate,
    KeyChange,
    KeyRotation,
    UserCreate,
    UserChange,
    WebhookCreate,
    WebhookChange,
    WebhookRotation,
    AuditPrune,
    InvalidationCreate,
    ClipRequest,
    VideoImport,
    BoundsPut,
)


async def not_stored(response: Response) -> None:
    """Answers hold secrets and people: no cache on the way keeps them."""
    response.headers["Cache-Control"] = NO_STORE["Cache-Control"]


def administration_routes() -> APIRouter:
    """The services are those of the application's state; see permissions.py."""
    router = APIRouter(dependencies=[Depends(not_stored)])
    people = (auth, admin_tenants, admin_plans, admin_keys, admin_users, webhooks)
    media = (videos, uploads, clips, jobs)
    for part in (*people, usage, audit, cache, scaling, *media):
        router.include_router(part.router)
    router.include_router(webhooks.events)
    router.include_router(cache.metrics)
    router.include_router(metrics.router)
    return router


def download_routes() -> APIRouter:
    """Apart from the others: their answers may be kept by whoever asked."""
    return files.router
