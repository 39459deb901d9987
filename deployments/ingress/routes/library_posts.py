"""`/api/v1/library/posts`: posts, their transitions, listings, searches, export."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from cluster.library.listing import EXCERPT
from cluster.library.model import (
    LibraryPost,
    PostDraft,
    PostFilter,
    PostOrder,
    PostPage,
    PostText,
    revision_of,
)
from cluster.library.schedule import ScheduledTime
from cluster.library.status import RULES
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.range_requests import matches_etag
from deployments.ingress.http.request_body import read_json
from deployments.ingress.http.streaming import NDJSON
from deployments.ingress.permissions import AdminAccess, ReadsLibrary, WritesLibrary
from deployments.ingress.routes.responses import (
    CHANGE_IF_MATCH,
    LOOK,
    MAKE,
    NO_STORE,
)
from deployments.ingress.schemas.library import (
    POST_ID,
    LibraryPostCreate,
    LibraryPostPage,
    LibraryPostPatch,
    LibraryPostResponse,
    LibraryPostSummary,
    PostConditions,
    PostQuery,
    PostSchedule,
    PostTransitionCreate,
    PostTransitionList,
    PostTransitionResponse,
)

EXPORTED_AT_ONCE = 200
router = APIRouter(prefix="/api/v1/library/posts", tags=["library"])
PostPath = Annotated[str, Path(pattern=POST_ID, description="The post's id.")]
IfMatch = Annotated[
    str | None,
    Header(max_length=100, description="The ETag of the post as the caller has seen it, or `*`."),
]
IfNoneMatch = Annotated[str | None, Header(max_length=100)]


@router.get("", response_model=LibraryPostPage, responses=LOOK, summary="List and search posts")
async def list_library_posts(
    access: ReadsLibrary, query: Annotated[PostQuery, Query()]
) -> LibraryPostPage:
    """Conditions combine. Pages neither skip nor repeat posts while others are added."""
    page = await access.admin.library.list(
        access.tenant,
        query.conditions(),
        query.order,
        query.limit,
        query.cursor,
        count=query.count,
    )
    data = [summary(each) for each in page.items]
    answer = LibraryPostPage(data=data, next_cursor=page.next)
    if query.count:
        answer.total = "more" if page.total is None else page.total
    return answer


@router.post(
    "",
    status_code=201,
    response_model=LibraryPostResponse,
    responses=MAKE,
    summary="Save a draft",
    openapi_extra=request_body(LibraryPostCreate),
)
async def create_library_post(
    access: WritesLibrary, request: Request, response: Response
) -> LibraryPostResponse:
    """The ETag of the answer is needed to change the post."""
    body = await read_json(request, LibraryPostCreate)
    draft = PostDraft(
        body.id or "",
        PostText(body.title, body.body),
        body.platform,
        body.language,
        tuple(body.tags),
        body.note,
    )
    made = await access.admin.library.create(access.actor, access.tenant, draft)
    return show(made, response)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}, **LOOK},
    summary="Every matching post, oldest first, a line each",
)
async def export_library_posts(
    access: ReadsLibrary, query: Annotated[PostConditions, Query()]
) -> StreamingResponse:
    conditions = query.conditions()
    first = await _page(access, conditions, None)  # what is refused is refused before the stream
    lines = _lines(access, conditions, first)
    return StreamingResponse(lines, media_type=NDJSON, headers=NO_STORE)


@router.get(
    "/{post}",
    response_model=LibraryPostResponse,
    responses={304: {"description": "It is as it was."}, **LOOK},
    summary="Show a post",
)
async def get_library_post(
    access: ReadsLibrary, post: PostPath, response: Response, if_none_match: IfNoneMatch = None
) -> LibraryPostResponse | Response:
    found = await access.admin.library.get(access.tenant, post)
    if matches_etag(if_none_match, etag(found)):
        return Response(status_code=304, headers={"ETag": etag(found), **NO_STORE})
    return show(found, response)


@router.patch(
    "/{post}",
    response_model=LibraryPostResponse,
    responses=CHANGE_IF_MATCH,
    summary="Edit a post; a changed text makes a version",
    openapi_extra=request_body(LibraryPostPatch),
)
async def update_library_post(
    access: WritesLibrary,
    post: PostPath,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> LibraryPostResponse:
    """Texts are changed in drafts only: what was approved is what is published."""
    revision = revision_of(if_match)
    body = await read_json(request, LibraryPostPatch)
    library = access.admin.library
    changed = await library.update(access.actor, access.tenant, post, revision, body.edit())
    return show(changed, response)


@router.delete(
    "/{post}",
    status_code=204,
    responses=CHANGE_IF_MATCH,
    summary="Delete a post, all versions",
)
async def delete_library_post(
    access: WritesLibrary, post: PostPath, if_match: IfMatch = None
) -> Response:
    revision = revision_of(if_match)
    await access.admin.library.delete(access.actor, access.tenant, post, revision)
    return Response(status_code=204)


@router.get(
    "/{post}/transitions",
    response_model=PostTransitionList,
    responses=LOOK,
    summary="Show how a post got its status",
)
async def list_post_transitions(access: ReadsLibrary, post: PostPath) -> PostTransitionList:
    found = await access.admin.library.transitions(access.tenant, post)
    data = [PostTransitionResponse.model_validate(asdict(each)) for each in found]
    return PostTransitionList(data=data)


@router.post(
    "/{post}/transitions",
    response_model=LibraryPostResponse,
    responses=CHANGE_IF_MATCH,
    summary="Submit, approve, schedule, publish or archive a post, or take a step back",
    openapi_extra=request_body(PostTransitionCreate),
)
async def create_post_transition(
    access: ReadsLibrary,
    post: PostPath,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> LibraryPostResponse:
    """`approve` and `reject` need the scope `library:approve`, all others `library:write`. Mobula
    publishes nowhere: when a scheduled post is due, its tenant gets the event `post.due`, and
    whoever publishes the post says so by `publish`.
    """
    revision = revision_of(if_match)
    body = await read_json(request, PostTransitionCreate)
    access.request.require(RULES[body.transition].scope)
    moved = await access.admin.library.transition(
        access.actor, access.tenant, post, revision, body.request()
    )
    return show(moved, response)


def etag(post: LibraryPost) -> str:
    return f'"{post.revision}"'


def show(post: LibraryPost, response: Response) -> LibraryPostResponse:
    """The post, whose ETag becomes a header."""
    response.headers["ETag"] = etag(post)
    return _whole(post)


def summary(post: LibraryPost) -> LibraryPostSummary:
    return LibraryPostSummary.model_validate(_fields(post))


def _whole(post: LibraryPost) -> LibraryPostResponse:
    return LibraryPostResponse.model_validate({**_fields(post), "body": post.body})


def _fields(post: LibraryPost) -> dict[str, object]:
    fields = asdict(post)
    if post.scheduled is not None:
        time = ScheduledTime(post.scheduled, post.zone or "UTC")
        fields["schedule"] = PostSchedule(
            at=time.at, zone=time.zone, local=time.local, number=post.schedule
        )
    else:
        fields["schedule"] = None
    fields |= {"excerpt": excerpt(post.body), "transitions": list(post.transitions)}
    return fields


def excerpt(body: str) -> str:
    """The beginning of a text, in a listing."""
    return body if len(body) < EXCERPT else body[: EXCERPT - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


async def _page(access: AdminAccess, conditions: PostFilter, cursor: str | None) -> PostPage:
    return await access.admin.library.list(
        access.tenant,
        conditions,
        PostOrder.OLDEST,
        EXPORTED_AT_ONCE,
        cursor,
        count=False,
        whole=True,
    )


async def _lines(
    access: AdminAccess, conditions: PostFilter, page: PostPage
) -> AsyncIterator[bytes]:
    while True:
        for post in page.items:
            yield _whole(post).model_dump_json().encode() + b"\n"
        if page.next is None:
            return
        page = await _page(access, conditions, page.next)
