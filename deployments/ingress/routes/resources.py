"""Every route of a resource, and the bodies that they take."""

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from cluster.tenants.plan import Plan
from deployments.ingress.routes import (
    admin_keys,
    admin_plans,
    admin_teams,
    admin_tenants,
    admin_users,
    analytics,
    audio,
    audit,
    auth,
    batches,
    cache,
    classifiers,
    clips,
    collection_points,
    collection_sources,
    collections,
    document_texts,
    documents,
    file_batches,
    files,
    health,
    jobs,
    library_more,
    library_posts,
    logs,
    metrics,
    models,
    openai_files,
    privacy,
    scaling,
    stored_responses,
    system,
    templates,
    traces,
    uploads,
    usage,
    vector_store_files,
    vector_stores,
    videos,
    webhooks,
)
from deployments.ingress.routes.responses import NO_STORE
from deployments.ingress.schemas.admin import (
    EmptyBody,
    KeyCreate,
    KeyPatch,
    KeyRotation,
    TenantCreate,
    TenantPatch,
    TenantSettingsPatch,
    UserCreate,
    UserPatch,
)
from deployments.ingress.schemas.analytics import OutcomeEvents
from deployments.ingress.schemas.auth import Login, PasswordChange, Refresh
from deployments.ingress.schemas.batches import OperationBatchCreate
from deployments.ingress.schemas.cache import InvalidationCreate
from deployments.ingress.schemas.classifiers import ClassifierCreate, ClassifierTrainingBody
from deployments.ingress.schemas.clips import ClipRequest
from deployments.ingress.schemas.collection_sources import CollectionSourcesCreate
from deployments.ingress.schemas.collections import (
    CollectionCreate,
    CollectionPatch,
    CollectionReindex,
    CollectionSearchBody,
    PointsDelete,
    PointsPut,
)
from deployments.ingress.schemas.documents import DocumentCreate, DocumentSummaryBody
from deployments.ingress.schemas.files import FileBatchCreate
from deployments.ingress.schemas.library import (
    LibraryPostCreate,
    LibraryPostPatch,
    PostBulk,
    PostTransitionCreate,
    VersionRestore,
)
from deployments.ingress.schemas.logs import LogLevelPut
from deployments.ingress.schemas.privacy import ErasureCreate, ExportCreate
from deployments.ingress.schemas.records import (
    AuditPrune,
    WebhookCreate,
    WebhookPatch,
    WebhookRotation,
)
from deployments.ingress.schemas.scaling import ScalingBoundsPut
from deployments.ingress.schemas.teams import TeamCreate, TeamPatch
from deployments.ingress.schemas.templates import (
    TemplateActivation,
    TemplateCreate,
    TemplatePatch,
    TemplateRendering,
    TemplateRollback,
    TemplateTest,
    VersionCreate,
)
from deployments.ingress.schemas.vector_stores import (
    StoreFileBatchCreate,
    VectorStoreCreate,
    VectorStoreFileCreate,
    VectorStoreFilePatch,
    VectorStorePatch,
    VectorStoreSearchBody,
)
from deployments.ingress.schemas.videos import VideoImport

BODIES: tuple[type[BaseModel], ...] = (
    Login,
    Refresh,
    PasswordChange,
    EmptyBody,
    Plan,
    TenantCreate,
    TenantPatch,
    TenantSettingsPatch,
    ExportCreate,
    ErasureCreate,
    KeyCreate,
    KeyPatch,
    KeyRotation,
    TeamCreate,
    TeamPatch,
    UserCreate,
    UserPatch,
    WebhookCreate,
    WebhookPatch,
    WebhookRotation,
    AuditPrune,
    InvalidationCreate,
    ClassifierCreate,
    ClassifierTrainingBody,
    ClipRequest,
    OperationBatchCreate,
    FileBatchCreate,
    VideoImport,
    DocumentCreate,
    DocumentSummaryBody,
    ScalingBoundsPut,
    LogLevelPut,
    TemplateCreate,
    TemplatePatch,
    VersionCreate,
    TemplateActivation,
    TemplateRollback,
    TemplateRendering,
    TemplateTest,
    LibraryPostCreate,
    LibraryPostPatch,
    PostTransitionCreate,
    PostBulk,
    VersionRestore,
    OutcomeEvents,
    VectorStoreCreate,
    VectorStorePatch,
    VectorStoreSearchBody,
    VectorStoreFileCreate,
    VectorStoreFilePatch,
    StoreFileBatchCreate,
    CollectionCreate,
    CollectionPatch,
    CollectionReindex,
    CollectionSearchBody,
    PointsPut,
    PointsDelete,
    CollectionSourcesCreate,
)


async def not_stored(response: Response) -> None:
    """Responses hold secrets and personal data: no cache on the way stores them."""
    response.headers["Cache-Control"] = NO_STORE["Cache-Control"]


def resource_routes() -> APIRouter:
    """Every route but those of operations. A route module defines `router` at module level, and
    finds its services in the application's state (permissions.py).
    """
    router = APIRouter()
    for part in (system.router, models.router):
        router.include_router(part)
    people = (
        auth,
        admin_tenants,
        privacy,
        admin_plans,
        admin_keys,
        admin_teams,
        admin_users,
        webhooks,
        templates,
        classifiers,
        library_more,
        library_posts,
        analytics,
        collections,
        collection_sources,
        collection_points,
    )
    media = (videos, uploads, clips, jobs, audio, documents, document_texts)
    operators = (audit, logs, traces, health, scaling, cache)
    for module in (*people, usage, *operators, stored_responses, batches, *media):
        router.include_router(module.router, dependencies=[Depends(not_stored)])
    for part in (webhooks.events, metrics.router, openai_files.router, file_batches.router):
        router.include_router(part, dependencies=[Depends(not_stored)])
    for part in (vector_stores.router, vector_store_files.router):
        router.include_router(part, dependencies=[Depends(not_stored)])
    router.include_router(files.router)  # clients may store what they download
    return router
