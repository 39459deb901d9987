"""Pagination: listings by id continue after the last id of the previous page.

Listings by time continue after a time and an id, encoded as an opaque cursor.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from cluster.runtime.base64url import decode, encode
from cluster.runtime.problems import InvalidRequest

T = TypeVar("T")
MAX_LIMIT, DEFAULT_LIMIT = 200, 50
ID = re.compile(r"[0-9A-Za-z_-]{1,63}", re.ASCII)
CURSOR = re.compile(r"[0-9A-Za-z_-]{1,120}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page. `next` is the `after` of the next page; None: this is the last."""

    items: tuple[T, ...]
    next: str | None


def is_id(text: str) -> bool:
    """Whether `text` has the format of an id; other text is not sent to the database."""
    return ID.fullmatch(text) is not None


async def page(
    connection: AsyncConnection,
    statement: Select[Any],
    column: ColumnElement[str],
    limit: int,
    after: str | None,
    read: Callable[[Any], T],
) -> Page[T]:
    """Up to `limit` rows of `statement` by `column`. Raises InvalidRequest (limit, after)."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"'limit' must be 1 to {MAX_LIMIT}.", param="limit")
    if after is not None:
        if CURSOR.fullmatch(after) is None:
            raise InvalidRequest("'after' must be the 'next' of the previous page.", param="after")
        statement = statement.where(column > after)
    rows = (await connection.execute(statement.order_by(column).limit(limit + 1))).all()
    items = tuple(read(row) for row in rows[:limit])
    has_more = len(rows) > limit
    return Page(
        items, str(getattr(rows[limit - 1], column.key)) if has_more and column.key else None
    )


def encode_cursor(at: float, id: str) -> str:
    """The cursor for the position after this time and id."""
    return encode(json.dumps([at, id]).encode())


def decode_cursor(cursor: str) -> tuple[float, str]:
    """Raises InvalidRequest for an invalid cursor."""
    try:
        if CURSOR.fullmatch(cursor) is None:
            raise ValueError
        at, id = json.loads(decode(cursor))
        position = (float(at), str(id))
        if not math.isfinite(position[0]) or "\x00" in position[1]:
            raise ValueError
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidRequest("cursor: is not valid.", param="cursor") from error
    return position
