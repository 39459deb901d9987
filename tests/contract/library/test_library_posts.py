"""Posts on both databases: versions, revisions, transitions, bulk changes, quotas."""

import pytest
from sqlalchemy import func, select

from cluster.administration.library import LibraryService
from cluster.library.model import (
    IllegalTransition,
    LibraryFull,
    PostFilter,
    PostNotEditable,
    PostOrder,
    PostText,
    SelfApproval,
    VersionOrigin,
)
from cluster.library.status import PostStatus, PostTransition
from cluster.library.transitions import PostEdit, TransitionRequest
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Conflict, NotFound, PreconditionFailed
from cluster.storage.database import Database
from cluster.storage.tables import (
    events,
    library_bodies,
    library_sizes,
    library_versions,
)
from cluster.tenants.settings import SettingsRepository, TenantSettings
from tests.contract.library.conftest import ANA, BEN, MakeLibrary, Trail, draft

SUBMIT, APPROVE, REOPEN = (
    TransitionRequest(each)
    for each in (PostTransition.SUBMIT, PostTransition.APPROVE, PostTransition.REOPEN)
)


async def count(database: Database, table: object) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())  # type: ignore[arg-type]


async def test_each_edit_makes_a_version_and_an_equal_text_is_stored_once(
    library: LibraryService, database: Database
) -> None:
    post = await library.create(ANA, "acme", draft("one", "p", title="T"))
    post = await library.update(ANA, "acme", "p", post.revision, PostEdit(body="two", note="why"))
    post = await library.restore(BEN, "acme", "p", post.revision, 1)

    assert (post.body, post.version, post.revision, post.author) == ("one", 3, 3, "user:ben")
    found = (await library.versions("acme", "p", 10, None)).items
    assert [(each.number, each.body, each.note) for each in found] == [
        (3, "one", "version 1"),
        (2, "two", "why"),
        (1, "one", ""),
    ]
    assert found[0].digest == found[2].digest
    assert await count(database, library_bodies) == 2


async def test_deleting_a_post_deletes_texts_that_no_other_has(
    library: LibraryService, database: Database
) -> None:
    for id, body in (("p", "ours"), ("q", "ours"), ("r", "mine")):
        await library.create(ANA, "acme", draft(body, id))
    await library.create(ANA, "other", draft("mine", "r"))

    for id in ("p", "r"):
        await library.delete(ANA, "acme", id, None)

    async with database.read() as connection:
        bodies = await connection.execute(select(library_bodies.c.tenant, library_bodies.c.body))
        assert sorted(map(tuple, bodies)) == [("acme", "ours"), ("other", "mine")]
        sizes = await connection.execute(select(library_sizes).order_by(library_sizes.c.tenant))
        assert [row[:3] for row in sizes] == [("acme", 1, 4), ("other", 1, 4)]
    assert await count(database, library_versions) == 2


async def test_of_two_editors_one_is_refused(library: LibraryService) -> None:
    post = await library.create(ANA, "acme", draft(id="p"))
    await library.update(ANA, "acme", "p", post.revision, PostEdit(body="Ana's"))

    with pytest.raises(PreconditionFailed) as refused:
        await library.update(BEN, "acme", "p", post.revision, PostEdit(body="Ben's"))

    assert refused.value.extensions["revision"] == 2
    assert (await library.get("acme", "p")).body == "Ana's"


async def test_what_was_approved_cannot_be_edited_but_tagged(library: LibraryService) -> None:
    await library.create(ANA, "acme", draft(id="p"))
    for step in (SUBMIT, APPROVE):
        await library.transition(BEN, "acme", "p", None, step)

    with pytest.raises(PostNotEditable):
        await library.update(ANA, "acme", "p", None, PostEdit(body="else"))
    with pytest.raises(PostNotEditable):
        await library.restore(ANA, "acme", "p", None, 1)
    tagged = await library.update(ANA, "acme", "p", None, PostEdit(tags=("spring",)))
    assert (tagged.tags, tagged.version, tagged.approved_by) == (("spring",), 1, "user:ben")
    reopened = await library.transition(ANA, "acme", "p", None, REOPEN)
    assert (reopened.status, reopened.approved_by) == (PostStatus.DRAFT, None)


async def test_authors_approve_their_own_posts_unless_the_tenant_says_no(
    library: LibraryService, database: Database, clock: ManualClock
) -> None:
    for id in ("p", "q"):
        await library.create(ANA, "acme", draft(id=id))
        await library.transition(ANA, "acme", id, None, SUBMIT)
    assert (await library.transition(ANA, "acme", "p", None, APPROVE)).approved_by == "user:ana"
    async with database.begin() as connection:
        settings = TenantSettings(authors_may_approve=False)
        await SettingsRepository(clock).put(connection, "acme", settings)

    with pytest.raises(SelfApproval):
        await library.transition(ANA, "acme", "q", None, APPROVE)
    assert (await library.transition(BEN, "acme", "q", None, APPROVE)).approved_by == "user:ben"


async def test_transitions_are_recorded_published_and_audited(
    library: LibraryService, database: Database, trail: Trail
) -> None:
    await library.create(ANA, "acme", draft(id="p"))
    await library.transition(ANA, "acme", "p", None, SUBMIT)
    with pytest.raises(IllegalTransition) as refused:
        await library.transition(ANA, "acme", "p", None, SUBMIT)

    assert refused.value.extensions["allowed"] == ["approve", "withdraw", "reject"]
    [record] = await library.transitions("acme", "p")
    assert (record.transition, record.source, record.target, record.actor) == (
        "submit", "draft", "in_review", "user:ana",
    )  # fmt: skip
    async with database.read() as connection:
        rows = (await connection.execute(select(events.c.kind, events.c.data))).all()
    assert sorted(row.kind for row in rows) == ["post.created", "post.status_changed"]
    assert [each.action for each in trail.records] == ["post.create", "post.transition"]


async def test_a_bulk_change_changes_each_post_that_it_may(
    library: LibraryService, trail: Trail
) -> None:
    for id in ("a", "b", "c"):
        await library.create(ANA, "acme", draft(id=id))
    await library.transition(ANA, "acme", "b", None, SUBMIT)
    await library.create(ANA, "other", draft(id="theirs"))

    results = await library.change_many(ANA, "acme", ["c", "b", "a", "theirs"], SUBMIT)

    outcomes = [each.problem.slug if each.problem else "" for each in results]
    assert [each.id for each in results] == ["c", "b", "a", "theirs"]
    assert outcomes == ["", "illegal-transition", "", "not-found"]
    in_review = PostFilter(statuses=(PostStatus.IN_REVIEW,))
    page = await library.list("acme", in_review, PostOrder.OLDEST, 10, None)
    assert [each.id for each in page.items] == ["a", "b", "c"]
    assert [each.resource for each in trail.records[-3:]] == ["post:a", "post:c", "posts:4"]
    assert trail.records[-1].detail == {"action": "submit", "changed": 2, "refused": 2}


async def test_a_full_library_refuses_by_name(make: MakeLibrary) -> None:
    library = make(max_posts=1, max_versions=2, max_bytes=12)
    await library.create(ANA, "acme", draft("one", "p"))

    with pytest.raises(LibraryFull, match="1 posts"):
        await library.create(ANA, "acme", draft("two", "q"))
    with pytest.raises(LibraryFull):
        await library.check_room("acme")
    await library.check_room("other")
    with pytest.raises(LibraryFull, match="bytes"):
        await library.update(ANA, "acme", "p", None, PostEdit(body="a" * 20))
    await library.update(ANA, "acme", "p", None, PostEdit(body="two"))
    with pytest.raises(LibraryFull, match="2 versions"):
        await library.update(ANA, "acme", "p", None, PostEdit(body="three"))


async def test_candidates_are_versions_until_one_is_chosen(library: LibraryService) -> None:
    variants = ((PostText("", "second"), {"score": 0.4}),)
    made = await library.create(
        ANA,
        "acme",
        draft("best", origin=VersionOrigin.GENERATED, scores={"score": 0.9}, variants=variants),
    )

    chosen = await library.restore(ANA, "acme", made.id, made.revision, 2)

    assert made.id.startswith("post_")
    assert (chosen.body, chosen.version) == ("second", 3)
    found = (await library.versions("acme", made.id, 10, None)).items
    assert [(each.is_candidate, each.scores) for each in found] == [
        (False, {"score": 0.4}),
        (True, {"score": 0.4}),
        (False, {"score": 0.9}),
    ]


async def test_an_id_is_taken_once_in_each_tenant(library: LibraryService) -> None:
    await library.create(ANA, "acme", draft("ours", "p"))
    await library.create(ANA, "other", draft("theirs", "p"))

    with pytest.raises(Conflict, match="there is a post 'p'"):
        await library.create(ANA, "acme", draft("again", "p"))
    await library.delete(ANA, "other", "p", None)
    assert (await library.get("acme", "p")).body == "ours"
    with pytest.raises(NotFound):
        await library.get("other", "p")
