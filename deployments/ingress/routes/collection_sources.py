"""`POST /api/v1/collections/{collection}/sources`: posts and transcripts become points."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from cluster.tenants.caller import Priority, Scope
from deployments.collections.source_job import INDEX, SourcesSpec
from deployments.contracts.jobs import NewJob
from deployments.ingress.collections import require_collections
from deployments.ingress.documents import require_documents
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.operations.clips import job_response
from deployments.ingress.permissions import WritesSearch, services_of
from deployments.ingress.routes.collections import RETRY_AFTER_S, Name
from deployments.ingress.routes.responses import CHANGE
from deployments.ingress.schemas.collection_sources import CollectionSourcesCreate
from deployments.ingress.schemas.jobs import JobResponse

MAX_ATTEMPTS = 20
router = APIRouter(prefix="/api/v1/collections", tags=["search"])


@router.post(
    "/{collection}/sources",
    status_code=202,
    response_model=JobResponse,
    responses=CHANGE,
    summary="Index posts of the library and transcripts",
    openapi_extra=request_body(CollectionSourcesCreate),
)
async def index_sources(access: WritesSearch, collection: Name, request: Request) -> Response:
    """A job, whose URL is in `Location`. Ids of points are `post:` and `recording:` with the ids of
    their sources, so what is there already is replaced."""
    services = services_of(request)
    require_collections(services.collections)
    documents = require_documents(services.documents)
    body = await read_json(request, CollectionSourcesCreate)
    if body.posts is not None:
        access.request.require(Scope.LIBRARY_READ)
    if body.recordings:
        access.request.require(Scope.MEDIA_READ)
    found = await access.admin.collections.get(access.tenant, collection)
    posts = None if body.posts is None else body.posts.model_dump(mode="json", exclude_none=True)
    recordings = tuple(dict.fromkeys(body.recordings))
    spec = SourcesSpec(found.id, posts, recordings, access.request.tags)
    new = NewJob(
        tenant=access.tenant,
        kind=INDEX,
        key=access.request.caller.key_id,
        spec=spec.to_json(),
        subject=found.id,
        cost=1 + len(recordings),
        weight=access.request.caller.weight,
        priority=Priority.BATCH,
        max_attempts=MAX_ATTEMPTS,
        request_id=access.request.request_id,
        trace=access.request.traceparent,
    )
    resource = f"collection:{found.id}"
    async with access.admin.tenants.audited(
        access.actor, access.tenant, "collection.index", resource
    ) as change:
        job = await documents.jobs.create(change.connection, new)
        change.detail |= {"job": job.id}
    documents.wake()
    content = JobResponse.model_validate(job_response(job)).model_dump_json()
    headers = {"Location": f"/api/v1/jobs/{job.id}", "Retry-After": RETRY_AFTER_S}
    return Response(content, 202, headers, "application/json")
