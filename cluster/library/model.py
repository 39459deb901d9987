"""Posts, versions and transitions as values; their limits, and what refuses a change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cluster.library.status import PostStatus, PostTransition, transitions_from
from cluster.runtime.problems import (
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
)

MAX_TITLE, MAX_BODY, MAX_NOTE = 300, 65_000, 300  # characters
MAX_TAGS, MAX_TAG = 20, 40
MAX_BULK = 100
COUNTED_POSTS = 10_000  # a listing's total is exact up to this many


@dataclass(frozen=True, slots=True)
class LibraryLimits:
    """Of each tenant: posts, bytes of all texts; of each post: versions."""

    max_posts: int = 200_000
    max_bytes: int = 1 << 30
    max_versions: int = 200


class VersionOrigin(StrEnum):
    WRITTEN = "written"
    GENERATED = "generated"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class PostText:
    """A title (empty: none) and the text of a post."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class PostDraft:
    """What a new post has. `variants` are further candidates for its text, with their scores."""

    id: str
    text: PostText
    platform: str
    language: str
    tags: tuple[str, ...] = ()
    note: str = ""
    origin: VersionOrigin = VersionOrigin.WRITTEN
    scores: Mapping[str, Any] | None = None
    variants: tuple[tuple[PostText, Mapping[str, Any]], ...] = ()


@dataclass(frozen=True, slots=True)
class LibraryPost:
    """A post with the text of its current version. Times are Unix seconds.

    `number` orders posts by when they were made. `revision` changes with each change. `scheduled`
    is when it is to be published, in `zone`; `schedule` counts the times that were set.
    """

    number: int
    id: str
    status: PostStatus
    platform: str
    language: str
    title: str
    body: str
    tags: tuple[str, ...]
    version: int
    versions: int
    revision: int
    created_by: str
    author: str
    approved_by: str | None
    scheduled: float | None
    zone: str | None
    schedule: int
    published: float | None
    external_id: str | None
    created: float
    updated: float

    @property
    def text(self) -> PostText:
        return PostText(self.title, self.body)

    @property
    def transitions(self) -> tuple[PostTransition, ...]:
        return transitions_from(self.status)


@dataclass(frozen=True, slots=True)
class PostVersion:
    """An immutable version. A candidate was never the current one."""

    number: int
    title: str
    body: str
    digest: str
    author: str
    note: str
    origin: VersionOrigin
    is_candidate: bool
    scores: Mapping[str, Any] | None
    created: float


@dataclass(frozen=True, slots=True)
class TransitionRecord:
    seq: int
    transition: PostTransition
    source: PostStatus
    target: PostStatus
    version: int
    actor: str
    note: str
    at: float


class PostOrder(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    SCHEDULED = "scheduled"  # soonest first, scheduled posts only


@dataclass(frozen=True, slots=True)
class PostFilter:
    """Conditions that a post must meet, all of them; empty: any. Times are Unix seconds, `until`
    is excluded."""

    statuses: tuple[PostStatus, ...] = ()
    platform: str | None = None
    language: str | None = None
    created_by: str | None = None
    tags: tuple[str, ...] = ()
    query: str | None = None
    created_since: float | None = None
    created_until: float | None = None
    scheduled_since: float | None = None
    scheduled_until: float | None = None


@dataclass(frozen=True, slots=True)
class PostPage:
    """`total` is how many posts meet the filter (None: over COUNTED_POSTS)."""

    items: tuple[LibraryPost, ...]
    next: str | None
    total: int | None = field(default=None)


class LibraryFull(Conflict):
    slug, title = "library-full", "The library is full"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"A library has at most {limit} {what}; delete some first.", limit=limit)


class IllegalTransition(Conflict):
    slug, title = "illegal-transition", "The post's status does not allow this"

    def __init__(self, post: LibraryPost, transition: PostTransition) -> None:
        allowed = [str(each) for each in post.transitions]
        super().__init__(
            f"transition: '{transition}' is not possible while a post is {post.status}; possible "
            f"are: {', '.join(allowed)}.",
            param="transition",
            status_of_post=str(post.status),
            allowed=allowed,
        )


class PostNotEditable(Conflict):
    slug, title = "post-not-editable", "Only drafts can be edited"

    def __init__(self, post: LibraryPost) -> None:
        super().__init__(
            f"Post '{post.id}' is {post.status}: its text can be changed as a draft only. "
            f"Possible are: {', '.join(post.transitions)}.",
            status_of_post=str(post.status),
        )


class SelfApproval(Forbidden):
    slug, title = "self-approval", "Authors may not approve their own posts"

    def __init__(self) -> None:
        super().__init__(
            "You have written this post; the tenant's settings let somebody else approve it."
        )


def no_post(id: str) -> NotFound:
    return NotFound(f"There is no post '{id[:64]}'.", param="post")


def check_revision(post: LibraryPost, expected: int | None) -> None:
    """`expected` is the revision that the caller has seen; None: any. Raises PreconditionFailed."""
    if expected is not None and expected != post.revision:
        raise PreconditionFailed(
            f"Post '{post.id}' has changed: its ETag is \"{post.revision}\".",
            revision=post.revision,
        )


def revision_of(etag: str | None) -> int | None:
    """The revision that a header If-Match names; None for `*`.

    Raises PreconditionRequired without the header. A value of another form is no revision: -1.
    """
    if etag is None:
        raise PreconditionRequired(
            "Header If-Match: is needed, with the ETag of the post as you have seen it, or *."
        )
    if etag.strip() == "*":
        return None
    tag = etag.strip().strip('"')
    return int(tag) if tag.isascii() and tag.isdigit() and len(tag) < 19 else -1
