"""Listings and searches answer the same on both databases, page by page."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.administration.library import LibraryService
from cluster.library.model import PostFilter, PostOrder
from cluster.library.status import PostStatus, PostTransition
from cluster.library.transitions import PostEdit, TransitionRequest
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest
from tests.contract.library.conftest import ANA, draft

ANY = PostFilter()


async def ids(
    library: LibraryService,
    conditions: PostFilter = ANY,
    order: PostOrder = PostOrder.NEWEST,
    tenant: str = "acme",
) -> str:
    """The ids of all pages of two, joined; each total is the number of posts."""
    found: list[str] = []
    cursor, totals = None, set()
    while True:
        page = await library.list(tenant, conditions, order, 2, cursor)
        found += [each.id for each in page.items]
        totals.add(page.total)
        cursor = page.next
        if cursor is None:
            assert totals == {len(found)}
            return "".join(found)


@pytest.fixture
async def filled(library: LibraryService, clock: ManualClock) -> LibraryService:
    """a to e of acme, one a second."""
    for number, id in enumerate("abcde"):
        clock.advance(1)
        await library.create(
            ANA,
            "acme",
            draft(
                f"Rooftop café number {number}",
                id,
                title="Coffee" if number % 2 else "",
                platform="x" if id in "ad" else "linkedin",
                language="Deutsch" if id == "e" else "English",
                tags=("spring",) if id in "ace" else ("summer", "spring"),
            ),
        )
    await library.create(ANA, "other", draft("Rooftop café, theirs", "a", tags=("spring",)))
    for id in "bd":
        await library.transition(ANA, "acme", id, None, TransitionRequest(PostTransition.SUBMIT))
    return library


async def test_filters_combine(filled: LibraryService) -> None:
    draft_only, review = (PostStatus.DRAFT,), (PostStatus.IN_REVIEW,)

    assert await ids(filled) == "edcba"
    assert await ids(filled, order=PostOrder.OLDEST) == "abcde"
    assert await ids(filled, PostFilter(statuses=draft_only)) == "eca"
    assert await ids(filled, PostFilter(statuses=draft_only + review)) == "edcba"
    assert await ids(filled, PostFilter(statuses=review, platform="x")) == "d"
    assert await ids(filled, PostFilter(language="Deutsch")) == "e"
    assert await ids(filled, PostFilter(tags=("spring",))) == "edcba"
    assert await ids(filled, PostFilter(tags=("spring", "summer"))) == "db"
    assert await ids(filled, PostFilter(tags=("spring",), statuses=review)) == "db"
    assert await ids(filled, PostFilter(created_by="user:ben")) == ""
    first = (await filled.get("acme", "a")).created
    some = PostFilter(created_since=first + 1, created_until=first + 3)
    assert await ids(filled, some) == "cb"
    assert await ids(filled, tenant="other") == "a"


async def test_searches_find_whole_words_and_prefixes_of_the_tenant(
    filled: LibraryService,
) -> None:
    async def search(query: str, **more: object) -> str:
        return await ids(filled, replace(PostFilter(query=query), **more))  # type: ignore[arg-type]

    assert await search("CAFE rooftop") == "edcba"
    assert await search("coffee") == "db"
    assert await search("roof") == ""
    assert await search("roof* cafe") == "edcba"
    assert await search("theirs") == ""
    assert await search("summer") == "db"
    assert await search("3") == "d"
    assert await search("café", tags=("summer",), platform="x") == "d"
    await filled.update(ANA, "acme", "a", None, PostEdit(body="Tea in the cellar"))
    await filled.delete(ANA, "acme", "c", None)
    assert await search("cafe") == "edb"
    assert await search("cellar") == "a"
    with pytest.raises(InvalidRequest, match="q: has no words"):
        await search("?!")


async def test_pages_neither_skip_nor_repeat_while_posts_are_added(
    filled: LibraryService,
) -> None:
    for order, expected in ((PostOrder.NEWEST, "edcba"), (PostOrder.OLDEST, "abcdefgh")):
        found, cursor = "", None
        for name in "fgh":
            page = await filled.list("acme", ANY, order, 2, cursor)
            found += "".join(each.id for each in page.items)
            cursor = page.next
            if order is PostOrder.NEWEST:
                await filled.create(ANA, "acme", draft(id=name))
        if cursor is not None:
            page = await filled.list("acme", ANY, order, 2, cursor)
            found += "".join(each.id for each in page.items)
        assert found == expected


async def test_scheduled_posts_come_soonest_first(
    filled: LibraryService, clock: ManualClock
) -> None:
    for id, hour in (("d", 12), ("b", 9)):
        await filled.transition(ANA, "acme", id, None, TransitionRequest(PostTransition.APPROVE))
        schedule = TransitionRequest(PostTransition.SCHEDULE, at=_ahead(clock, hour))
        await filled.transition(ANA, "acme", id, None, schedule)

    assert await ids(filled, order=PostOrder.SCHEDULED) == "bd"
    late = (await filled.get("acme", "d")).scheduled
    assert await ids(filled, PostFilter(scheduled_until=late), PostOrder.SCHEDULED) == "b"
    assert await ids(filled, PostFilter(scheduled_since=late)) == "d"
    page = await filled.list("acme", ANY, PostOrder.SCHEDULED, 1, None)
    with pytest.raises(InvalidRequest, match="cursor"):
        await filled.list("acme", ANY, PostOrder.NEWEST, 1, page.next)


def _ahead(clock: ManualClock, hours: int) -> str:
    return datetime.fromtimestamp(clock.wall() + 3600 * hours, UTC).isoformat(timespec="seconds")


@pytest.mark.exhaustive
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(max_size=200), query=st.text(max_size=40))
async def test_any_text_can_be_stored_and_searched(
    library: LibraryService, text: str, query: str
) -> None:
    body = text.replace("\0", "").encode(errors="ignore").decode() or "x"
    made = await library.create(ANA, "acme", draft(body))
    try:
        page = await library.list("acme", PostFilter(query=query), PostOrder.NEWEST, 5, None)
    except InvalidRequest:
        return
    assert all(each.number <= made.number for each in page.items)
