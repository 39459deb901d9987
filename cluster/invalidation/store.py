"""Invalidations in the relational store: every SQL statement about them.

Functions take the caller's connection first and never commit. Each invalidation gets the next
number of the list of changes, whose lock makes the order of numbers the order of commits. The
highest number in the table never falls, and a row is only replaced by one that matches at least as
much and has at least its number. So a reader that has seen a number has seen all below it.
"""

from dataclasses import asdict

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.invalidation.target import (
    ALL,
    EVERYBODY,
    Invalidation,
    Target,
    check_target,
    target_all,
)
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict
from cluster.storage.locks import Lock, advisory_lock
from cluster.storage.tables import cache_invalidations as table
from cluster.tenants.repository import record_change

MAX_NAMES = 1_000  # tags and models of a tenant; above, the whole tenant is invalidated
MAX_PREFIXES = 100  # of a tenant


class TooManyPrefixes(Conflict):
    """A tenant has invalidated as many prefixes as allowed; `limit` is how many."""

    slug, title = "too-many-prefixes", "Too many prefixes are invalidated"

    def __init__(self) -> None:
        super().__init__(
            f"prefix: at most {MAX_PREFIXES} may be invalidated; invalidate everything of the "
            "tenant, which makes room.",
            param="prefix",
            limit=MAX_PREFIXES,
        )


async def add(
    connection: AsyncConnection, clock: Clock, tenant: str, target: Target
) -> Invalidation:
    """Invalidate `target` of `tenant`, which may be EVERYBODY.

    The row may match more than the target; see MAX_NAMES. Raises InvalidRequest or
    TooManyPrefixes.
    """
    check_target(tenant, target)
    seq = await record_change(connection, clock, "cache", tenant)
    await connection.execute(delete(table).where(_covered(tenant, target)))
    wider = await _widen_target(connection, tenant, target)
    if wider is not target:
        await connection.execute(delete(table).where(_covered(tenant, wider)))
    row = Invalidation(tenant, wider.kind, wider.name, seq, clock.wall())
    await connection.execute(insert(table).values(**asdict(row)))
    return row


async def since(connection: AsyncConnection, seq: int) -> list[Invalidation]:
    """Every row from number `seq` on, in order. The first is `seq` itself, or stands for it."""
    rows = await connection.execute(select(table).where(table.c.seq >= seq).order_by(table.c.seq))
    return [Invalidation(**row._mapping) for row in rows]


async def prune(connection: AsyncConnection, before: float) -> int:
    """Replace rows older than this (Unix seconds), and all with lower numbers, by one that matches
    everything. Returns how many rows there are less.
    """
    await advisory_lock(connection, Lock.CHANGES)
    old = select(table).where(table.c.at < before).order_by(table.c.seq.desc()).limit(1)
    newest = (await connection.execute(old)).first()
    if newest is None:
        return 0
    deleted = await connection.execute(delete(table).where(table.c.seq <= newest.seq))
    row = Invalidation(EVERYBODY, ALL.kind, ALL.name, newest.seq, newest.at)
    await connection.execute(insert(table).values(**asdict(row)))
    return deleted.rowcount - 1


def _covered(tenant: str, target: Target) -> ColumnElement[bool]:
    """Rows that match nothing beyond `target`."""
    mine = table.c.tenant == tenant
    match target.kind:
        case "all":
            return true()
        case "tenant":
            return mine
        case "prefix":
            starts = func.substr(table.c.name, 1, len(target.name)) == target.name
            return and_(mine, table.c.kind.in_(("tag", "prefix")), starts)
    return and_(mine, table.c.kind == target.kind, table.c.name == target.name)


async def _widen_target(connection: AsyncConnection, tenant: str, target: Target) -> Target:
    """`target`, or the whole tenant if it has too many names already."""
    if target.kind == "prefix" and await _count(connection, tenant, "prefix") >= MAX_PREFIXES:
        raise TooManyPrefixes
    named = target.kind in ("tag", "model")
    if named and await _count(connection, tenant, "tag", "model") >= MAX_NAMES:
        return target_all(tenant)
    return target


async def _count(connection: AsyncConnection, tenant: str, *kinds: str) -> int:
    mine = select(func.count()).select_from(table)
    counted = mine.where(table.c.tenant == tenant, table.c.kind.in_(kinds))
    return (await connection.execute(counted)).scalar_one()
