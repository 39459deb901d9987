"""What callers send and get about the post library. Instants are Unix seconds."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from cluster.library.model import (
    MAX_BODY,
    MAX_BULK,
    MAX_NOTE,
    MAX_TAG,
    MAX_TAGS,
    MAX_TITLE,
    PostFilter,
    PostOrder,
    VersionOrigin,
)
from cluster.library.status import PostStatus, PostTransition
from cluster.library.tags import normalize_tags
from cluster.library.transitions import PostEdit, TransitionRequest
from cluster.tenants.plan import Id
from deployments.ingress.schemas.admin import PageQuery, PageResponse, Patch, Strict, example
from deployments.ingress.schemas.records import Instant

_LINE = r"^[^\x00-\x1f\x7f]*$"
_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"  # line breaks and tabs are text
POST_ID = r"^[a-z0-9][a-z0-9_-]{0,63}$"

PostId = Annotated[str, Field(pattern=POST_ID)]
Title = Annotated[str, Field(max_length=MAX_TITLE, pattern=_LINE)]
Body = Annotated[str, Field(min_length=1, max_length=MAX_BODY, pattern=_TEXT)]
Note = Annotated[str, Field(max_length=MAX_NOTE, pattern=_LINE)]
Word = Annotated[str, Field(max_length=60, pattern=_LINE)]
Tags = Annotated[
    list[Annotated[str, Field(max_length=4 * MAX_TAG)]],
    Field(max_length=5 * MAX_TAGS),
    AfterValidator(lambda given: list(normalize_tags(given))),
]
Revision = Annotated[int, Field(ge=1, lt=2**62)]
VersionOfPost = Annotated[int, Field(ge=1, le=10**6)]


class LibraryPostCreate(Strict):
    """Body of `POST /api/v1/library/posts`. Without an id, one is made."""

    model_config = example(
        title="Rooftop bar", body="Coffee with a view. #rooftop", platform="instagram",
        language="English", tags=["launch"],
    )  # fmt: skip

    id: PostId | None = None
    title: Title = ""
    body: Body
    platform: Word = ""
    language: Word = ""
    tags: Tags = []
    note: Note = ""


class LibraryPostPatch(Patch):
    """What is given is changed; a changed text or title makes a version. `tags` replaces all."""

    model_config = example(body="Coffee with a better view.", note="shorter")

    title: Title | None = None
    body: Body | None = None
    platform: Word | None = None
    language: Word | None = None
    tags: Tags | None = None
    note: Note | None = None

    def edit(self) -> PostEdit:
        fields = self.model_dump(exclude={"tags", "note"})
        tags = None if self.tags is None else tuple(self.tags)
        return PostEdit(**fields, tags=tags, note=self.note or "")


class PostTransitionCreate(Strict):
    """Body of `POST .../transitions`. `schedule` and `reschedule` take `at`, a local time of
    `zone` (`2026-12-24T18:00:00`, `Europe/Berlin`) or one with an offset; `publish` takes when and
    under which id the post was published.
    """

    model_config = example(transition="schedule", at="2026-12-24T18:00:00", zone="Europe/Berlin")

    transition: Annotated[PostTransition, Field(strict=False)]
    note: Note = ""
    at: Annotated[str, Field(max_length=40)] | None = None
    zone: Annotated[str, Field(max_length=64)] | None = None
    published: Instant | None = None
    external_id: Annotated[str, Field(min_length=1, max_length=200, pattern=_LINE)] | None = None

    def request(self) -> TransitionRequest:
        return TransitionRequest(**self.model_dump())


class VersionRestore(Strict):
    """Body of `POST .../restore`."""

    model_config = example(version=2)

    version: VersionOfPost


class BulkPost(Strict):
    """A post, and its revision if that matters."""

    id: PostId
    revision: Revision | None = None


class TagChange(Strict):
    add: Tags = []
    remove: Tags = []


class PostBulk(Strict):
    """Body of `POST /api/v1/library/posts/bulk`: one change of each of the posts."""

    model_config = example(posts=[{"id": "post_1"}], transition={"transition": "submit"})

    posts: Annotated[list[BulkPost], Field(min_length=1, max_length=MAX_BULK)]
    transition: PostTransitionCreate | None = None
    tags: TagChange | None = None
    delete: Literal[True] | None = None

    @model_validator(mode="after")
    def _is_one_change(self) -> Self:
        given = [each for each in (self.transition, self.tags, self.delete) if each is not None]
        if len(given) != 1:
            raise ValueError("give one of: transition, tags, delete")
        if len({post.id for post in self.posts}) < len(self.posts):
            raise ValueError("posts: an id is there twice")
        return self

    def action(self) -> TransitionRequest | PostEdit | None:
        """None: they are deleted."""
        if self.transition is not None:
            return self.transition.request()
        if self.tags is not None:
            return PostEdit(add_tags=tuple(self.tags.add), remove_tags=tuple(self.tags.remove))
        return None


class PostConditions(BaseModel):
    """All of these must be met. `tag` may be given several times, `status` names one of several."""

    model_config = PageQuery.model_config

    tenant: Id | None = None
    status: Annotated[list[PostStatus], Field(max_length=len(PostStatus))] = []
    platform: Word | None = None
    language: Word | None = None
    created_by: Annotated[
        Annotated[str, Field(max_length=80, pattern=_LINE)] | None,
        Field(description="`user:<id>` or `key:<id>`."),
    ] = None
    tag: Tags = []
    q: Annotated[
        Annotated[str, Field(min_length=1, max_length=400)] | None,
        Field(description="Words that text, title or tags have; `roof*` is a beginning of one."),
    ] = None
    created_from: Instant | None = None
    created_to: Instant | None = None
    scheduled_from: Instant | None = None
    scheduled_to: Instant | None = None

    def conditions(self) -> PostFilter:
        return PostFilter(
            statuses=tuple(dict.fromkeys(self.status)),
            platform=self.platform,
            language=self.language,
            created_by=self.created_by,
            tags=tuple(self.tag),
            query=self.q,
            created_since=self.created_from,
            created_until=self.created_to,
            scheduled_since=self.scheduled_from,
            scheduled_until=self.scheduled_to,
        )


class PostQuery(PostConditions, PageQuery):
    """Conditions, and which part of the listing. Without `count` it has no total."""

    order: PostOrder = PostOrder.NEWEST
    count: bool = True


class PostSchedule(BaseModel):
    """When a post is to be published: `number` counts the times that were set, `local` is `at` in
    the zone."""

    at: float
    zone: str
    local: str
    number: int


class LibraryPostSummary(BaseModel):
    """A post in a listing; `revision` is its ETag, `transitions` are those that its status
    allows."""

    id: str
    status: PostStatus
    platform: str
    language: str
    title: str
    excerpt: str
    tags: list[str]
    version: int
    versions: int
    revision: int
    created_by: str
    author: Annotated[str, Field(description="Of the current version.")]
    approved_by: str | None
    schedule: PostSchedule | None
    published: float | None
    external_id: str | None
    created: float
    updated: float
    transitions: list[PostTransition]


class LibraryPostResponse(LibraryPostSummary):
    """A post with its text."""

    body: str


class LibraryPostPage(PageResponse):
    """`total` is exact up to 10,000."""

    data: list[LibraryPostSummary]
    total: int | Literal["more"] | None = None


class LibraryPostVersion(BaseModel):
    """A candidate was written with the post and never was its current version."""

    version: int
    title: str
    body: str
    digest: Annotated[str, Field(description="SHA-256 of the text.")]
    author: str
    note: str
    origin: VersionOrigin
    candidate: bool
    scores: dict[str, Any] | None
    created: float


class LibraryVersionPage(PageResponse):
    data: list[LibraryPostVersion]


class PostTransitionResponse(BaseModel):
    seq: int
    transition: PostTransition
    source: PostStatus
    target: PostStatus
    version: int
    actor: str
    note: str
    at: float


class PostTransitionList(BaseModel):
    """Oldest first."""

    data: list[PostTransitionResponse]


class BulkPostResult(BaseModel):
    """`post` is null where it was deleted, or where `error` says why nothing was changed."""

    id: str
    status: Literal["ok", "failed"]
    post: LibraryPostSummary | None = None
    error: dict[str, Any] | None = None


class PostBulkResponse(BaseModel):
    """In the order of the posts."""

    succeeded: int
    failed: int
    data: list[BulkPostResult]


class VersionQuery(PageQuery):
    """One page of a listing."""

    tenant: Id | None = None


class SimilarQuery(BaseModel):
    model_config = PageQuery.model_config

    tenant: Id | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 10


class SimilarPostResponse(LibraryPostSummary):
    """`score` is the cosine of the texts' vectors."""

    score: float


class SimilarPostList(BaseModel):
    """Best first. `compared` of the newest `total` posts were compared: the others follow with the
    next searches. Where posts cannot be compared, `reason` says why.
    """

    supported: bool
    reason: str | None = None
    by: str | None = None
    compared: int = 0
    total: int = 0
    data: list[SimilarPostResponse] = []
