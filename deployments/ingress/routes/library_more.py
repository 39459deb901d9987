"""`/api/v1/library/posts`: versions, similar posts, metrics, and changes of many posts at once."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.administration.library import BulkResult
from cluster.library.model import PostVersion, revision_of
from cluster.library.status import RULES
from cluster.outcomes.model import MICRO, NAMES, POST, DailyOutcomes
from cluster.runtime.problems import InvalidRequest
from cluster.storage.database import DatabaseUnavailable
from cluster.tenants.caller import Scope
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.problems import native_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import (
    ReadsAnalytics,
    ReadsLibrary,
    WritesLibrary,
    services_of,
)
from deployments.ingress.routes.library_posts import IfMatch, PostPath, show, summary
from deployments.ingress.routes.responses import CHANGE, CHANGE_IF_MATCH, LOOK
from deployments.ingress.schemas.analytics import (
    MetricsQuery,
    PostDay,
    PostDayMetrics,
    PostMetricsResponse,
)
from deployments.ingress.schemas.library import (
    BulkPostResult,
    LibraryPostResponse,
    LibraryPostVersion,
    LibraryVersionPage,
    PostBulk,
    PostBulkResponse,
    SimilarPostList,
    SimilarPostResponse,
    SimilarQuery,
    VersionQuery,
    VersionRestore,
)

MAX_DAYS, DEFAULT_DAYS, MAX_VERSION = 400, 30, 10**6
router = APIRouter(prefix="/api/v1/library/posts", tags=["library"])
VersionPath = Annotated[int, Path(ge=1, le=MAX_VERSION, description="The version's number.")]


@router.post(
    "/bulk",
    response_model=PostBulkResponse,
    responses=CHANGE,
    summary="Move, tag or delete up to 100 posts",
    openapi_extra=request_body(PostBulk),
)
async def change_library_posts(access: ReadsLibrary, request: Request) -> PostBulkResponse:
    """A post that is refused leaves the others as they are; the rest is changed together."""
    body = await read_json(request, PostBulk)
    moves = body.transition
    access.request.require(Scope.LIBRARY_WRITE if moves is None else RULES[moves.transition].scope)
    results = await access.admin.library.change_many(
        access.actor,
        access.tenant,
        [post.id for post in body.posts],
        body.action(),
        [post.revision for post in body.posts],
    )
    data = [_bulk_result(each, access.request.request_id) for each in results]
    failed = sum(each.status == "failed" for each in data)
    return PostBulkResponse(succeeded=len(data) - failed, failed=failed, data=data)


@router.get(
    "/{post}/versions",
    response_model=LibraryVersionPage,
    responses=LOOK,
    summary="List a post's versions, newest first",
)
async def list_library_versions(
    access: ReadsLibrary, post: PostPath, query: Annotated[VersionQuery, Query()]
) -> LibraryVersionPage:
    before = _number(query.cursor)
    page = await access.admin.library.versions(access.tenant, post, query.limit, before)
    return LibraryVersionPage(data=[_version(each) for each in page.items], next_cursor=page.next)


@router.get(
    "/{post}/versions/{version}",
    response_model=LibraryPostVersion,
    responses=LOOK,
    summary="Show a version",
)
async def get_library_version(
    access: ReadsLibrary, post: PostPath, version: VersionPath
) -> LibraryPostVersion:
    return _version(await access.admin.library.version(access.tenant, post, version))


@router.post(
    "/{post}/restore",
    response_model=LibraryPostResponse,
    responses=CHANGE_IF_MATCH,
    summary="Make a copy of a version, or of a candidate, the current one",
    openapi_extra=request_body(VersionRestore),
)
async def restore_library_version(
    access: WritesLibrary,
    post: PostPath,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> LibraryPostResponse:
    revision = revision_of(if_match)
    body = await read_json(request, VersionRestore)
    library = access.admin.library
    restored = await library.restore(access.actor, access.tenant, post, revision, body.version)
    return show(restored, response)


@router.get(
    "/{post}/similar",
    response_model=SimilarPostList,
    responses=LOOK,
    summary="Find posts that mean about the same",
)
async def list_similar_posts(
    access: ReadsLibrary,
    post: PostPath,
    query: Annotated[SimilarQuery, Query()],
    request: Request,
) -> SimilarPostList:
    """By vectors of the first embedding model. Texts that have none yet are embedded, up to 64 for
    each search; that counts as a call of the model.
    """
    finder = services_of(request).similar_posts
    found = await access.admin.library.get(access.tenant, post)
    if finder is None:
        raise DatabaseUnavailable
    similar = await finder.find(access.request, access.tenant, found, query.limit)
    data = [
        SimilarPostResponse(**summary(each.post).model_dump(), score=round(each.score, 4))
        for each in similar.posts
    ]
    return SimilarPostList(
        supported=similar.reason is None,
        reason=similar.reason,
        by=similar.model,
        compared=similar.compared,
        total=similar.total,
        data=data,
    )


@router.get(
    "/{post}/metrics",
    response_model=PostMetricsResponse,
    responses=LOOK,
    summary="What came of a post, by day",
)
async def get_post_metrics(
    access: ReadsAnalytics,
    post: PostPath,
    query: Annotated[MetricsQuery, Query()],
    request: Request,
) -> PostMetricsResponse:
    """Of the outcomes that were reported to `POST /api/v1/analytics/events` with the subject
    `{"kind": "post", "id": ...}`."""
    await access.admin.library.get(access.tenant, post)
    now = services_of(request).clock.wall()
    until = query.until or datetime.fromtimestamp(now, UTC).date()
    since = query.since or until - timedelta(days=DEFAULT_DAYS - 1)
    _check_days(since, until)
    days = await access.admin.outcomes.daily(access.tenant, POST, post, since, until)
    return PostMetricsResponse(
        post=post,
        since=since,
        until=until,
        total=_metrics(days),
        data=[
            PostDay(day=date.fromisoformat(each.day), **_metrics([each]).model_dump())
            for each in days
        ],
    )


def _check_days(since: date, until: date) -> None:
    """Raises InvalidRequest."""
    if not 0 <= (until - since).days < MAX_DAYS:
        raise InvalidRequest(
            f"from: is to be before 'to', by less than {MAX_DAYS} days.",
            param="from",
            limit=MAX_DAYS,
        )


def _metrics(days: "list[DailyOutcomes] | tuple[DailyOutcomes, ...]") -> PostDayMetrics:
    counts: dict[str, int] = {}
    values: dict[str, int] = {}
    for each in days:
        for sums, added in ((counts, each.counts), (values, each.values)):
            for name, amount in added.items():
                sums[name] = sums.get(name, 0) + amount
    fields = {field: counts.pop(name, 0) for name, field in NAMES.items()}
    money = {currency: amount / MICRO for currency, amount in sorted(values.items())}
    return PostDayMetrics(**fields, other=dict(sorted(counts.items())), values=money)


def _bulk_result(result: BulkResult, request_id: str) -> BulkPostResult:
    if result.problem is not None:
        error = native_body(result.problem, request_id)
        return BulkPostResult(id=result.id, status="failed", error=error)
    post = None if result.post is None else summary(result.post)
    return BulkPostResult(id=result.id, status="ok", post=post)


def _version(version: PostVersion) -> LibraryPostVersion:
    fields = asdict(version)
    named = {"version": fields.pop("number"), "candidate": fields.pop("is_candidate")}
    return LibraryPostVersion.model_validate({**fields, **named})


def _number(cursor: str | None) -> int | None:
    """Raises InvalidRequest."""
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdigit() or int(cursor[:9]) > MAX_VERSION:
        raise InvalidRequest("cursor: is not valid.", param="cursor")
    return int(cursor)
