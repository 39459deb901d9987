"""SQL of scaling decisions and bounds.

Functions take the caller's connection first and never commit. The decision store of Serve's
controller writes decisions, the administration writes bounds.
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
_COUNT_COLUMNS, _MAX_INT = ("ready", "before", "target"), 2**31 - 1
_TEXT_LIMITS = {"deployment": 300, "bound": 40, "reason": 500}  # characters of the columns


@dataclass(frozen=True, slots=True)
class BoundsOverride:
    """Bounds of a deployment and who set them; `set_at` is Unix seconds."""

    deployment: str
    bounds: Bounds
    set_by: str
    set_at: float


async def write(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts decisions from `to_row`; existing ones stay unchanged."""
    if rows:
        await connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


async def read(
    connection: AsyncConnection, deployment: str | None, limit: int, cursor: str | None = None
) -> Page[Decision]:
    """Decisions of one deployment or of all, newest first. Raises InvalidRequest for an invalid
    cursor."""
    query = select(table).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit + 1)
    if deployment is not None:
        query = query.where(table.c.deployment == deployment)
    if cursor is not None:
        query = query.where(_before(*decode_cursor(cursor)))
    rows = (await connection.execute(query)).all()
    has_more = len(rows) > limit
    after = encode_cursor(rows[limit - 1].at, rows[limit - 1].id) if has_more else None
    return Page(tuple(_decision(row) for row in rows[:limit]), after)


async def prune(connection: AsyncConnection, before: float, most: int) -> int:
    """Deletes decisions older than `before` (Unix seconds), those beyond a deployment's `most`
    latest, and bounds that ended before then. Returns the number of deleted decisions."""
    await connection.execute(delete(bounds_table).where(bounds_table.c.until < before))
    removed = (await connection.execute(delete(table).where(table.c.at < before))).rowcount
    names = (await connection.execute(select(table.c.deployment).distinct())).scalars().all()
    for name in names:
        removed += await _keep_newest(connection, name, most)
    return removed


async def _keep_newest(connection: AsyncConnection, deployment: str, most: int) -> int:
    of_deployment = table.c.deployment == deployment
    newest_first = (table.c.at.desc(), table.c.id.desc())
    last = select(table.c.at, table.c.id).where(of_deployment).order_by(*newest_first)
    row = (await connection.execute(last.offset(most - 1).limit(1))).first()
    if row is None:
        return 0
    return (await connection.execute(delete(table).where(of_deployment, _before(*row)))).rowcount


async def bounds(connection: AsyncConnection) -> list[BoundsOverride]:
    """All bounds, expired ones included, ordered by deployment."""
    rows = await connection.execute(select(bounds_table).order_by(bounds_table.c.deployment))
    return [
        BoundsOverride(
            row.deployment, Bounds(row.floor, row.ceiling, row.until), row.set_by, row.set_at
        )
        for row in rows
    ]


async def set_bounds(connection: AsyncConnection, override: BoundsOverride) -> None:
    """Sets a deployment's bounds; replaces earlier ones."""
    row = {
        "floor": override.bounds.floor,
        "ceiling": override.bounds.ceiling,
        "until": override.bounds.until,
        "set_by": override.set_by,
        "set_at": override.set_at,
    }
    statement = _insert(connection, bounds_table).values(deployment=override.deployment, **row)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["deployment"], set_=row)
    )


async def clear_bounds(connection: AsyncConnection, deployment: str) -> bool:
    """Deletes a deployment's bounds; returns whether there were any."""
    of_deployment = bounds_table.c.deployment == deployment
    return (await connection.execute(delete(bounds_table).where(of_deployment))).rowcount > 0


def _insert(connection: AsyncConnection, into: Any) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(into)


def _before(at: float, id: str) -> ColumnElement[bool]:
    return or_(table.c.at < at, and_(table.c.at == at, table.c.id < id))


def to_row(id: str, decision: Decision) -> dict[str, Any]:
    """A row for `write` that every database accepts.

    Raises TypeError, ValueError or OverflowError for an invalid decision.
    """
    return {
        "id": id,
        "at": float(decision.at),
        **{name: min(int(getattr(decision, name)), _MAX_INT) for name in _COUNT_COLUMNS},
        **{
            name: _clean_text(getattr(decision, name))[:most] for name, most in _TEXT_LIMITS.items()
        },
        "signals": _only_finite(decision.signals),
    }


def _clean_text(value: object) -> str:
    return str(value).replace("\x00", "").encode(errors="replace").decode()


def _only_finite(signals: Mapping[str, float]) -> dict[str, float]:
    """Without NaN and infinity, which JSON does not support."""
    return {name: float(value) for name, value in signals.items() if math.isfinite(value)}


def _decision(row: Row[Any]) -> Decision:
    values = {name: value for name, value in row._mapping.items() if name != "id"}
    return Decision(**values)
