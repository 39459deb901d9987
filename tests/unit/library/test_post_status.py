"""Every transition from every status: what is not in the table is refused."""

from dataclasses import replace

import pytest

from cluster.library.model import IllegalTransition, LibraryPost, SelfApproval
from cluster.library.status import RULES, PostStatus, PostTransition, transitions_from
from cluster.library.transitions import PostEdit, TransitionRequest, check_transition
from cluster.runtime.problems import Forbidden, InvalidRequest
from cluster.tenants.caller import Caller, Scope

NOW = 1_790_000_000.0
_T, _S = PostTransition, PostStatus
WRITER = Caller("acme", "ana", frozenset({Scope.LIBRARY_WRITE}), kind="user")
APPROVER = replace(WRITER, scopes=frozenset({Scope.LIBRARY_WRITE, Scope.LIBRARY_APPROVE}))
TIMES = {"at": "2030-01-01T00:00:00Z"}
# What is possible, by status; everything else is not.
POSSIBLE = """
draft      submit archive
in_review  approve withdraw reject
approved   schedule publish archive reopen
scheduled  publish reschedule unschedule
published  archive retract
archived   restore
"""
TABLE = {
    PostStatus(words[0]): set(words[1:])
    for words in (line.split() for line in POSSIBLE.strip().splitlines())
}


def post(status: PostStatus = PostStatus.DRAFT, **more: object) -> LibraryPost:
    fields = {
        "number": 1, "id": "p", "status": status, "platform": "x", "language": "English",
        "title": "", "body": "Tea", "tags": (), "version": 1, "versions": 1, "revision": 1,
        "created_by": "user:ana", "author": "user:ana", "approved_by": None, "scheduled": None,
        "zone": None, "schedule": 0, "published": None, "external_id": None, "created": 0.0,
        "updated": 0.0,
    }  # fmt: skip
    return LibraryPost(**(fields | more))  # type: ignore[arg-type]


def move(
    status: PostStatus,
    transition: PostTransition,
    caller: Caller = APPROVER,
    *,
    authors_may_approve: bool = True,
    **more: object,
) -> dict[str, object]:
    if transition in (PostTransition.SCHEDULE, PostTransition.RESCHEDULE):
        more = {**TIMES, **more}
    request = TransitionRequest(transition, **more)  # type: ignore[arg-type]
    return check_transition(
        post(status), request, caller, "user:ana", NOW, authors_may_approve=authors_may_approve
    )


@pytest.mark.parametrize("status", PostStatus)
def test_the_table_is_all_that_is_possible(status: PostStatus) -> None:
    for transition in PostTransition:
        if transition in TABLE[status]:
            assert move(status, transition)["status"] is RULES[transition].target
        else:
            with pytest.raises(IllegalTransition) as refused:
                move(status, transition)
            assert set(refused.value.extensions["allowed"]) == TABLE[status]
    assert set(transitions_from(status)) == TABLE[status]


def test_every_status_can_be_reached_and_left() -> None:
    assert {rule.target for rule in RULES.values()} == set(PostStatus)
    assert all(TABLE.values())


@pytest.mark.parametrize("transition", PostTransition)
def test_approval_needs_its_scope(transition: PostTransition) -> None:
    source = next(iter(RULES[transition].sources))
    approves = transition in (PostTransition.APPROVE, PostTransition.REJECT)
    if approves:
        with pytest.raises(Forbidden, match="library:approve"):
            move(source, transition, WRITER)
    else:
        assert move(source, transition, WRITER)
    with pytest.raises(Forbidden):
        move(source, transition, replace(WRITER, scopes=frozenset({Scope.LIBRARY_READ})))


def test_whether_authors_approve_their_own_posts_is_a_setting() -> None:
    approve = PostTransition.APPROVE
    assert move(PostStatus.IN_REVIEW, approve)["approved_by"] == "user:ana"
    with pytest.raises(SelfApproval):
        move(PostStatus.IN_REVIEW, approve, authors_may_approve=False)


def test_only_scheduled_and_published_posts_have_a_time() -> None:
    scheduled = move(_S.APPROVED, _T.SCHEDULE)
    assert scheduled["due"] == scheduled["scheduled"]
    assert scheduled["schedule"] == 1
    for transition in (_T.UNSCHEDULE, _T.PUBLISH):
        assert move(_S.SCHEDULED, transition)["due"] is None
    assert move(_S.SCHEDULED, _T.UNSCHEDULE)["scheduled"] is None
    assert "scheduled" not in move(_S.SCHEDULED, _T.PUBLISH)
    assert move(_S.SCHEDULED, _T.PUBLISH, external_id="7")["external_id"] == "7"
    assert move(_S.PUBLISHED, _T.RETRACT)["published"] is None
    assert "published" not in move(_S.PUBLISHED, _T.ARCHIVE)


def test_a_time_without_a_zone_is_one_of_the_tenants_own() -> None:
    request = TransitionRequest(_T.SCHEDULE, at="2030-01-01T09:00:00")
    found = check_transition(
        post(_S.APPROVED), request, APPROVER, "user:ana", NOW, authors_may_approve=True,
        own_zone="Asia/Tokyo",
    )  # fmt: skip

    assert (found["zone"], found["scheduled"]) == ("Asia/Tokyo", 1_893_456_000.0)
    with pytest.raises(InvalidRequest, match="zone: is needed"):
        move(_S.APPROVED, _T.SCHEDULE, at="2030-01-01T09:00:00")


@pytest.mark.parametrize(
    ("transition", "fields", "param"),
    [
        (PostTransition.SUBMIT, {"at": "2030-01-01T00:00:00Z"}, "at"),
        (PostTransition.SUBMIT, {"zone": "UTC"}, "zone"),
        (PostTransition.ARCHIVE, {"external_id": "7"}, "external_id"),
        (PostTransition.ARCHIVE, {"published": 1.0}, "published"),
    ],
)
def test_a_transition_takes_its_own_fields_alone(
    transition: PostTransition, fields: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        move(PostStatus.DRAFT, transition, **fields)
    assert refused.value.param == param


def test_nothing_is_published_in_the_future() -> None:
    with pytest.raises(InvalidRequest, match="still to come"):
        move(PostStatus.APPROVED, PostTransition.PUBLISH, published=NOW + 3_600)


def test_an_edit_changes_what_differs() -> None:
    tagged = post(tags=("a", "b"))
    edit = PostEdit(body="Tea", title="T", add_tags=("b", "c"), remove_tags=("a",))
    assert edit.changes(tagged) == {"title": "T", "tags": ("b", "c")}
    assert PostEdit(body="Tea", tags=("a", "b")).changes(tagged) == {}
