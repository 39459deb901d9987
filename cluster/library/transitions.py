"""What an edit and a transition change of a post, and whether they may. Pure."""

from dataclasses import dataclass, replace
from typing import Any

from cluster.library.model import IllegalTransition, LibraryPost, SelfApproval
from cluster.library.schedule import scheduled_time
from cluster.library.status import RULES, TIMED, PostStatus, PostTransition
from cluster.runtime.problems import Forbidden, InvalidRequest
from cluster.tenants.caller import Caller

CLOCK_TOLERANCE_S = 300.0  # of a time of publication that a caller names


@dataclass(frozen=True, slots=True)
class PostEdit:
    """What is to be changed; None: nothing of it. `note` says why the text is."""

    title: str | None = None
    body: str | None = None
    platform: str | None = None
    language: str | None = None
    tags: tuple[str, ...] | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    note: str = ""

    def changes(self, post: LibraryPost) -> dict[str, Any]:
        """The fields that get another value."""
        given = {
            "title": self.title,
            "body": self.body,
            "platform": self.platform,
            "language": self.language,
            "tags": self._tags(post),
        }
        return {
            name: value
            for name, value in given.items()
            if value is not None and value != getattr(post, name)
        }

    def _tags(self, post: LibraryPost) -> tuple[str, ...]:
        tags = post.tags if self.tags is None else self.tags
        added = (tag for tag in self.add_tags if tag not in tags)
        return tuple(tag for tag in (*tags, *added) if tag not in self.remove_tags)


@dataclass(frozen=True, slots=True)
class TransitionRequest:
    """`at` (ISO 8601) and `zone` are for schedules, `published` (Unix seconds; None: now) and
    `external_id` for what was published."""

    transition: PostTransition
    note: str = ""
    at: str | None = None
    zone: str | None = None
    published: float | None = None
    external_id: str | None = None


def check_transition(
    post: LibraryPost,
    request: TransitionRequest,
    caller: Caller,
    actor: str,
    now: float,
    *,
    authors_may_approve: bool,
    own_zone: str | None = None,
) -> dict[str, Any]:
    """The columns that change. `actor` is the caller's name, `own_zone` that of times that name
    none.

    Raises IllegalTransition, Forbidden, SelfApproval, InvalidRequest (at, zone, ...), TimeInPast,
    TimeDoesNotExist.
    """
    transition = request.transition
    rule = RULES[transition]
    if not caller.allows(rule.scope):
        raise Forbidden(
            f"transition: '{transition}' needs the scope '{rule.scope}'.",
            required_scope=str(rule.scope),
            param="transition",
        )
    if post.status not in rule.sources:
        raise IllegalTransition(post, transition)
    _check_fields(request)
    is_own = actor in (post.created_by, post.author)
    if transition is PostTransition.APPROVE and is_own and not authors_may_approve:
        raise SelfApproval
    values: dict[str, Any] = {"status": rule.target, "due": None}
    if request.zone is None and own_zone is not None and request.transition in TIMED:
        request = replace(request, zone=own_zone)
    return values | _values(post, request, actor, now)


def _values(
    post: LibraryPost, request: TransitionRequest, actor: str, now: float
) -> dict[str, Any]:
    """What changes beside the status. Raises InvalidRequest."""
    if request.transition in TIMED:
        time = scheduled_time(request.at or "", request.zone, now)
        schedule = post.schedule + 1
        return {"scheduled": time.at, "zone": time.zone, "due": time.at, "schedule": schedule}
    if request.transition is PostTransition.PUBLISH:
        published = _published(request.published, now)
        return {"published": published, "external_id": request.external_id}
    values: dict[str, Any] = {}
    target = RULES[request.transition].target
    if target is not PostStatus.ARCHIVED:  # an archived post still says when it was published
        values = {"scheduled": None, "zone": None, "published": None, "external_id": None}
    if target is PostStatus.DRAFT:
        values["approved_by"] = None
    elif request.transition is PostTransition.APPROVE:
        values["approved_by"] = actor
    return values


def _check_fields(request: TransitionRequest) -> None:
    """Raises InvalidRequest for a field of another transition, or one that is missing."""
    is_timed, publishes = (
        request.transition in TIMED,
        request.transition is PostTransition.PUBLISH,
    )
    if is_timed and request.at is None:
        raise InvalidRequest("at: is needed, a time such as 2026-12-24T18:00:00.", param="at")
    for name, value, takes in (
        ("at", request.at, is_timed),
        ("zone", request.zone, is_timed),
        ("published", request.published, publishes),
        ("external_id", request.external_id, publishes),
    ):
        if value is not None and not takes:
            raise InvalidRequest(f"{name}: '{request.transition}' takes none.", param=name)


def _published(at: float | None, now: float) -> float:
    """Raises InvalidRequest for a time to come."""
    if at is not None and at > now + CLOCK_TOLERANCE_S:
        raise InvalidRequest("published: is still to come.", param="published")
    return now if at is None else at
