"""Scaling decisions and bounds in the relational store: every SQL statement about them.

Functions take the caller's connection first and never commit. Decisions are written by the
notebook of Serve's controller, bounds by the administration; both are read by whoever reports.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.autoscaling.decision import Bounds, Decision
from cluster.storage.pagination import Page, decode_cursor, encode_cursor
from cluster.storage.tables import scaling_bounds, scaling_decisions

table, bounds_table = scaling_decisions, scaling_bounds
_COUNTS, _MOST = ("ready", "before", "target"), 2**31 - 1
_TEXTS = {"deployment": 300, "bound": 40, "reason": 500}  # characters that the columns take


@dataclass(frozen=True, slots=True)
class BoundsOverride:
    """Bounds of a deployment and who set them; `set_at` is Unix seconds."""

    deployment: str
    bounds: Bounds
    set_by: str
    set_at: float


async def write(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add decisions as `row_of` made them; one that is there already stays as it is."""
    if rows:
        await connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


async def read(
    connection: AsyncConnection, deployment: str | None, limit: int, cursor: str | None = None
) -> Page[Decision]:
    """The newest decisions first, of one deployment or of all. Raises InvalidRequest for a cursor
    that is not one."""
    query = select(table).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit + 1)
    if deployment is not None:
        query = query.where(table.c.deployment == deployment)
    if cursor is not None:
        query = query.where(_before(*decode_cursor(cursor)))
    rows = (await connection.execute(query)).all()
    more = len(rows) > limit
    after = encode_cursor(rows[limit - 1].at, rows[limit - 1].id) if more else None
    return Page(tuple(_decision(row) for row in rows[:limit]), after)


async def prune(connection: AsyncConnection, before: float, most: int) -> int:
    """Remove decisions older than `before` (Unix seconds), those beyond a deployment's `most`
    newest, and bounds that ended before then. Returns how many decisions went."""
    await connection.execute(delete(bounds_table).where(bounds_table.c.until < before))
    gone = (await connection.execute(delete(table).where(table.c.at < before))).rowcount
    names = (await connection.execute(select(table.c.deployment).distinct())).scalars().all()
    for name in names:
        gone += await _keep_newest(connection, name, most)
    return gone


async def _keep_newest(connection: AsyncConnection, deployment: str, most: int) -> int:
    mine = table.c.deployment == deployment
    newest_first = (table.c.at.desc(), table.c.id.desc())
    last = select(table.c.at, table.c.id).where(mine).order_by(*newest_first)
    row = (await connection.execute(last.offset(most - 1).limit(1))).first()
    if row is None:
        return 0
    return (await connection.execute(delete(table).where(mine, _before(*row)))).rowcount


async def bounds(connection: AsyncConnection) -> list[BoundsOverride]:
    """All there are, those that no longer hold included, by deployment."""
    rows = await connection.execute(select(bounds_table).order_by(bounds_table.c.deployment))
    return [
        BoundsOverride(
            row.deployment, Bounds(row.floor, row.ceiling, row.until), row.set_by, row.set_at
        )
        for row in rows
    ]


async def set_bounds(connection: AsyncConnection, laid: BoundsOverride) -> None:
    """In the place of those that the deployment had."""
    row = {
        "floor": laid.bounds.floor,
        "ceiling": laid.bounds.ceiling,
        "until": laid.bounds.until,
        "set_by": laid.set_by,
        "set_at": laid.set_at,
    }
    statement = _insert(connection, bounds_table).values(deployment=laid.deployment, **row)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["deployment"], set_=row)
    )


async def clear_bounds(connection: AsyncConnection, deployment: str) -> bool:
    """Whether there were any."""
    mine = bounds_table.c.deployment == deployment
    return (await connection.execute(delete(bounds_table).where(mine))).rowcount > 0


def _insert(connection: AsyncConnection, into: Any) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(into)


def _before(at: float, id: str) -> ColumnElement[bool]:
    return or_(table.c.at < at, and_(table.c.at == at, table.c.id < id))


def row_of(id: str, decision: Decision) -> dict[str, Any]:
    """What `write` takes, such that no store refuses it.

    Raises TypeError, ValueError or OverflowError for what is no decision.
    """
    return {
        "id": id,
        "at": float(decision.at),
        **{name: min(int(getattr(decision, name)), _MOST) for name in _COUNTS},
        **{name: _text(getattr(decision, name))[:most] for name, most in _TEXTS.items()},
        "signals": _finite(decision.signals),
    }


def _text(value: object) -> str:
    return str(value).replace("\x00", "").encode(errors="replace").decode()


def _finite(signals: Mapping[str, float]) -> dict[str, float]:
    """JSON knows neither NaN nor infinity: what is neither is left out."""
    return {name: float(value) for name, value in signals.items() if math.isfinite(value)}


def _decision(row: Row[Any]) -> Decision:
    values = {name: value for name, value in row._mapping.items() if name != "id"}
    return Decision(**values)
