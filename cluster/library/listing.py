"""SQL of listings and searches of posts: filters, order, pages, totals.

Both stores answer in the same order: by the number of posts, or by the time for which they are
scheduled. A page continues after the last post of the one before, so pages neither skip nor repeat
a post that was there before the first. One condition alone has an index that is ordered as the
page; several, words, and tags are looked up together in the full-text index. Posts that were made
in some time have numbers in a row, as both grow together.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import Select, and_, cast, column, func, or_, select, table
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from cluster.library.model import (
    COUNTED_POSTS,
    LibraryPost,
    PostFilter,
    PostOrder,
    PostPage,
)
from cluster.library.repository import COLUMNS, TAG, read_post
from cluster.library.terms import Facet, fts5_query, search_terms, tsquery
from cluster.runtime.base64url import decode, encode
from cluster.runtime.problems import InvalidRequest
from cluster.storage.search_index import TABLE
from cluster.storage.tables import library_posts

EXCERPT = 280  # characters of a text that a listing shows
_P = library_posts.c
_ORDERED = frozenset({"status", "platform"})  # facets with an index that is ordered by number
_search = table(TABLE, column("rowid"), column(TABLE))
_EXCERPTED = tuple(
    func.substr(_P.body, 1, EXCERPT).label("body") if each is _P.body else each for each in COLUMNS
)


async def list_posts(
    connection: AsyncConnection,
    tenant: str,
    conditions: PostFilter,
    order: PostOrder,
    limit: int,
    cursor: str | None,
    *,
    count: bool = True,
    whole: bool = False,
) -> PostPage:
    """A page of posts with excerpts of their texts (with `whole`, the texts).

    The total is counted on request, up to COUNTED_POSTS. Raises InvalidRequest (q, cursor).
    """
    position = None if cursor is None else _read_cursor(cursor, order)
    source = _Source(connection, tenant, conditions, is_timed=order is PostOrder.SCHEDULED)
    if not await source.find_range(connection, conditions):
        return PostPage((), None, 0 if count else None)
    columns = COLUMNS if whole else _EXCERPTED
    query = _ordered(source.select(*columns), source.number, order, position)
    found = [read_post(row) for row in await connection.execute(query.limit(limit + 1))]
    next_page = _cursor(order, found[limit - 1]) if len(found) > limit else None
    total = await _count(connection, source) if count else None
    return PostPage(tuple(found[:limit]), next_page, total)


class _Source:
    """Where a statement starts, and the conditions of its rows."""

    def __init__(
        self,
        connection: AsyncConnection,
        tenant: str,
        conditions: PostFilter,
        *,
        is_timed: bool,
    ) -> None:
        """`is_timed`: only posts that have a time are meant."""
        self._tenant = tenant
        self._where = list(_of_schedule(conditions))
        if is_timed:
            self._where.append(_P.scheduled.is_not(None))
        self.number: ColumnElement[int] = _P.number
        self._from: Any = library_posts
        self._mine: ColumnElement[str] = _P.tenant
        self._start: list[ColumnElement[bool]] = []
        self._is_fts5 = False
        terms = () if conditions.query is None else search_terms(conditions.query)
        facets = list(_facets(conditions))
        if not terms and _is_ordered(facets):
            self._where += [_P[name] == value for [(name, value)] in facets]
        elif connection.dialect.name == "sqlite":
            self.number, self._is_fts5 = _search.c.rowid, True
            self._from = _search.join(library_posts, _P.number == self.number)
            self._mine = _P.tenant.concat("")  # so that SQLite starts at no index of the posts
            matches = _search.c[TABLE].op("MATCH")(fts5_query(tenant, terms, facets))
            self._start.append(matches)
        else:
            self._start.append(_P.terms.op("@@")(cast(tsquery(tenant, terms, facets), TSQUERY)))

    async def find_range(self, connection: AsyncConnection, conditions: PostFilter) -> bool:
        """Adds the numbers of the posts that were made in the time asked for; False: none was."""
        since, until = conditions.created_since, conditions.created_until
        mine = select(_P.number).where(_P.tenant == self._tenant).limit(1)
        if since is not None:
            first = mine.where(_P.created >= since).order_by(_P.created, _P.number)
            number = (await connection.execute(first)).scalar()
            if number is None:
                return False
            self._start.append(self.number >= number)
        if until is not None:
            last = mine.where(_P.created < until).order_by(_P.created.desc(), _P.number.desc())
            number = (await connection.execute(last)).scalar()
            if number is None:
                return False
            self._start.append(self.number <= number)
        return True

    def select(self, *columns: Any) -> Select[Any]:
        query = select(*columns).select_from(self._from)
        return query.where(*self._start, self._mine == self._tenant, *self._where)

    def select_numbers(self) -> Select[Any]:
        """FTS5 alone where nothing else is asked for: its terms name the tenant."""
        if self._is_fts5 and not self._where:
            return select(self.number).select_from(_search).where(*self._start)
        return self.select(self.number)


def _ordered(
    query: Select[Any],
    number: ColumnElement[int],
    order: PostOrder,
    position: tuple[float, int] | None,
) -> Select[Any]:
    """After the position (None: from the beginning)."""
    if order is PostOrder.SCHEDULED:
        if position is not None:
            at, last = position
            later = or_(_P.scheduled > at, and_(_P.scheduled == at, number > last))
            query = query.where(_P.scheduled >= at, later)
        return query.order_by(_P.scheduled, number)
    is_oldest = order is PostOrder.OLDEST
    if position is not None:
        query = query.where(number > position[1] if is_oldest else number < position[1])
    return query.order_by(number if is_oldest else number.desc())


def _facets(conditions: PostFilter) -> Iterator[Sequence[Facet]]:
    """One of each of these is asked for."""
    if conditions.statuses:
        yield [("status", str(status)) for status in conditions.statuses]
    for name in ("platform", "language", "created_by"):
        value = getattr(conditions, name)
        if value is not None:
            yield [(name, value)]
    for tag in conditions.tags:
        yield [(TAG, tag)]


def _is_ordered(facets: Sequence[Sequence[Facet]]) -> bool:
    """Whether an index of the posts is ordered as the page, with at most one condition."""
    if not facets:
        return True
    return len(facets) == 1 and len(facets[0]) == 1 and facets[0][0][0] in _ORDERED


def _of_schedule(conditions: PostFilter) -> Iterator[ColumnElement[bool]]:
    if conditions.scheduled_since is not None:
        yield _P.scheduled >= conditions.scheduled_since
    if conditions.scheduled_until is not None:
        yield _P.scheduled < conditions.scheduled_until


async def _count(connection: AsyncConnection, source: _Source) -> int | None:
    """None: over COUNTED_POSTS."""
    counted = source.select_numbers().limit(COUNTED_POSTS + 1).subquery()
    found: int = (await connection.execute(select(func.count()).select_from(counted))).scalar_one()
    return None if found > COUNTED_POSTS else found


def _cursor(order: PostOrder, post: LibraryPost) -> str:
    at = post.scheduled if order is PostOrder.SCHEDULED else None
    return encode(orjson.dumps([order, at, post.number]))


def _read_cursor(cursor: str, order: PostOrder) -> tuple[float, int]:
    """Raises InvalidRequest."""
    try:
        given, at, number = orjson.loads(decode(cursor))
        position = float(at or 0.0), int(number)
        if given != order or not math.isfinite(position[0]) or not 0 < position[1] < 2**62:
            raise ValueError
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidRequest(
            "cursor: must be the 'next_cursor' of the page before, with the same order.",
            param="cursor",
        ) from None
    return position
