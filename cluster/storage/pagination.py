"""Listings in pages: ordered by id, continued after the last id of the page before.

What is listed by time is continued after a place, an instant and an id, as one opaque cursor.
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
LARGEST, USUAL = 200, 50
ID = re.compile(r"[0-9A-Za-z_-]{1,63}", re.ASCII)
CURSOR = re.compile(r"[0-9A-Za-z_-]{1,120}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next` is the `after` of the following page, or None when this is the last."""

    items: tuple[T, ...]
    next: str | None


def is_id(text: str) -> bool:
    """Whether `text` could be any id at all; what is not never reaches the store."""
    return ID.fullmatch(text) is not None


async def page(
    connection: AsyncConnection,
    statement: Select[Any],
    column: ColumnElement[str],
    limit: int,
    after: str | None,
    read: Callable[[Any], T],
) -> Page[T]:
    """Up to `limit` rows of `statement` by `column`. Raises InvalidRequest on a bad bound."""
    if not 1 <= limit <= LARGEST:
        raise InvalidRequest(f"'limit' is 1 to {LARGEST}.", param="limit")
    if after is not None:
        if not is_id(after):
            raise InvalidRequest("'after' is the 'next' of the page before.", param="after")
        statement = statement.where(column > after)
    rows = (await connection.execute(statement.order_by(column).limit(limit + 1))).all()
    items = tuple(read(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(items, str(getattr(rows[limit - 1], column.key)) if more and column.key else None)


def encode_cursor(at: float, id: str) -> str:
    """The cursor of a place; `decode_cursor` reads it."""
    return encode(json.dumps([at, id]).encode())


def decode_cursor(cursor: str) -> tuple[float, str]:
    """Raises InvalidRequest for what no `encode_cursor` made."""
    try:
        if CURSOR.fullmatch(cursor) is None:
            raise ValueError
        at, id = json.loads(decode(cursor))
        place = (float(at), str(id))
        if not math.isfinite(place[0]) or "\x00" in place[1]:
            raise ValueError
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidRequest("cursor: is not one of ours.", param="cursor") from error
    return place
