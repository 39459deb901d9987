"""Pages of OpenAI's lists: before or after the object of an id, by time and id.

In: a query and what page is wanted. Out: its rows, in the order that is wanted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, and_, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.problems import NotFound
from cluster.storage.pagination import is_id


@dataclass(frozen=True, slots=True)
class PageWish:
    """At most `limit` objects after that of the id `after`, or the last ones before `before`."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


async def ordered_page(
    connection: AsyncConnection,
    query: Select[Any],
    place: tuple[ColumnElement[Any], ColumnElement[Any]],
    id_column: ColumnElement[str],
    wish: PageWish,
    no_such: Callable[[str], NotFound],
) -> tuple[list[Row[Any]], bool]:
    """The rows, and whether there are more. `place` are the columns of time and id. Raises NotFound
    for an unknown `after` or `before`."""
    newest_first = wish.order == "desc"
    whole = query
    for id, is_behind in ((wish.after, True), (wish.before, False)):
        if id is None:
            continue
        bound = None
        if is_id(id):
            bound = (
                await connection.execute(whole.with_only_columns(*place).where(id_column == id))
            ).first()
        if bound is None:
            raise no_such(id)
        query = query.where(_beyond(place, tuple(bound), down=newest_first is is_behind))
    backwards = wish.before is not None and wish.after is None
    down = newest_first is not backwards
    order = [column.desc() if down else column.asc() for column in place]
    found = (await connection.execute(query.order_by(*order).limit(wish.limit + 1))).all()
    rows = list(found[: wish.limit])
    return rows[::-1] if backwards else rows, len(found) > wish.limit


def _beyond(
    place: tuple[ColumnElement[Any], ColumnElement[Any]], values: tuple[Any, ...], *, down: bool
) -> ColumnElement[bool]:
    (time, id), (at, last) = place, values
    if down:
        return or_(time < at, and_(time == at, id < last))
    return or_(time > at, and_(time == at, id > last))
