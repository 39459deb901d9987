"""SQL of listings and searches of posts: filters, order, pages, totals.

Both stores answer in the same order: by the number of posts, or by the time for which they are
scheduled. A page continues after the last post of the one before, so pages neither skip nor repeat
a post that was there before the first. Each statement starts where the fewest rows are: at the
full-text index, at a tag, or at an index of the posts that is ordered as the page.
"""

import math
from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy import Select, and_, cast, column, exists, func, or_, select, table
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
from cluster.library.repository import COLUMNS, read_post
from cluster.library.terms import fts5_query, search_terms, tsquery
from cluster.runtime.base64url import decode, encode
from cluster.runtime.problems import InvalidRequest
from cluster.storage.search_index import TABLE
from cluster.storage.tables import library_posts, library_tags

EXCERPT = 280  # characters of a text that a listing shows
_P = library_posts.c
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
    source = _Source(connection, tenant, conditions)
    query = source.select(*(COLUMNS if whole else _EXCERPTED))
    number = source.number
    if order is PostOrder.SCHEDULED:
        query = query.where(_P.scheduled.is_not(None))
        if cursor is not None:
            at, last = _read_cursor(cursor, order)
            later = or_(_P.scheduled > at, and_(_P.scheduled == at, number > last))
            query = query.where(_P.scheduled >= at, later)
        query = query.order_by(_P.scheduled, number)
    else:
        is_oldest = order is PostOrder.OLDEST
        if cursor is not None:
            last = _read_cursor(cursor, order)[1]
            query = query.where(number > last if is_oldest else number < last)
        query = query.order_by(number if is_oldest else number.desc())
    found = [read_post(row) for row in await connection.execute(query.limit(limit + 1))]
    next_page = _cursor(order, found[limit - 1]) if len(found) > limit else None
    total = await _count(connection, source, order) if count else None
    return PostPage(tuple(found[:limit]), next_page, total)


class _Source:
    """Where a statement starts, and the conditions of its rows."""

    def __init__(self, connection: AsyncConnection, tenant: str, conditions: PostFilter) -> None:
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._tenant = tenant
        terms = None if conditions.query is None else search_terms(conditions.query)
        self._where = list(_of_posts(conditions))
        tags = list(conditions.tags)
        self._from: Any = library_posts
        self.number: ColumnElement[int] = _P.number
        if terms is not None and self._is_sqlite:
            self.number = _search.c.rowid
            self._from = _search.join(library_posts, _P.number == self.number)
            matches = _search.c[TABLE].op("MATCH")(fts5_query(tenant, terms))
            self._start: list[ColumnElement[bool]] = [matches]
        elif terms is not None:
            matches = _P.terms.op("@@")(cast(tsquery(tenant, terms), TSQUERY))
            self._start = [matches]
        elif tags:
            self.number = library_tags.c.post
            self._from = library_tags.join(library_posts, _P.number == self.number)
            self._start = [library_tags.c.tenant == tenant, library_tags.c.tag == tags.pop()]
        else:
            self._start = []
        other = library_tags.alias()
        self._where += [
            exists().where(other.c.tenant == tenant, other.c.tag == tag, other.c.post == _P.number)
            for tag in tags
        ]

    def select(self, *columns: Any) -> Select[Any]:
        # SQLite is kept from starting at an index of the posts where there is a better start.
        mine: ColumnElement[str] = _P.tenant
        if self._is_sqlite and self._start:
            mine = mine.concat("")
        query = select(*columns).select_from(self._from)
        return query.where(*self._start, mine == self._tenant, *self._where)

    def select_numbers(self) -> Select[Any]:
        """The index alone where nothing else is asked for: its terms name the tenant."""
        if self._start and not self._where and self._from is not library_posts:
            return select(self.number).where(*self._start)
        return self.select(self.number)


def _of_posts(conditions: PostFilter) -> Iterator[ColumnElement[bool]]:
    statuses = conditions.statuses
    if statuses:
        yield _P.status == statuses[0] if len(statuses) == 1 else _P.status.in_(statuses)
    for name in ("platform", "language", "created_by"):
        value = getattr(conditions, name)
        if value is not None:
            yield _P[name] == value
    for name in ("created", "scheduled"):
        since = getattr(conditions, f"{name}_since")
        until = getattr(conditions, f"{name}_until")
        if since is not None:
            yield _P[name] >= since
        if until is not None:
            yield _P[name] < until


async def _count(connection: AsyncConnection, source: _Source, order: PostOrder) -> int | None:
    """None: over COUNTED_POSTS."""
    query = source.select_numbers()
    if order is PostOrder.SCHEDULED:
        query = source.select(source.number).where(_P.scheduled.is_not(None))
    counted = query.limit(COUNTED_POSTS + 1).subquery()
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
