"""Rows of `idempotency_keys`: who runs a request, and how it was answered.

Flows in: a transaction, a row's name and an instant. Flows out: a row that is ours to run, or what
another made of it. `holder` is the fence: who comes back after another took over changes nothing.
Knows no HTTP and no keys; what it stores as an answer it cannot read.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import idempotency_keys as rows


@dataclass(frozen=True, slots=True)
class IdempotencyRow:
    """One request's row. `leased` and `expires` are Unix seconds; no `status` while it runs."""

    tenant: str
    id: str
    fingerprint: bytes
    holder: str
    leased: float
    expires: float
    status: int | None = None
    answer: bytes | None = None


async def try_claim(
    connection: AsyncConnection, wanted: IdempotencyRow, now: float
) -> IdempotencyRow:
    """The row as it stands now; it is ours if its holder is `wanted.holder`.

    Ours is what was not there or has expired, and what the same request's first run left behind
    when its lease ended.
    """
    if await _inserted(connection, wanted):
        return wanted
    found = (await connection.execute(select(rows).where(_is(wanted)).with_for_update())).first()
    if found is None:  # pruned or released meanwhile
        return await try_claim(connection, wanted, now)
    there = IdempotencyRow(**found._mapping)
    abandoned = there.status is None and there.leased <= now
    if there.expires > now and not (abandoned and there.fingerprint == wanted.fingerprint):
        return there
    await connection.execute(update(rows).where(_is(wanted)).values(**_values(wanted)))
    return wanted


async def complete(connection: AsyncConnection, held: IdempotencyRow) -> bool:
    """Keep `held.status` and `held.answer` until `held.expires`; False if the row was lost."""
    done = await connection.execute(
        update(rows)
        .where(_is(held), _runs(held))
        .values(status=held.status, answer=held.answer, expires=held.expires)
    )
    return done.rowcount == 1


async def release(connection: AsyncConnection, held: IdempotencyRow) -> bool:
    """As if it had never been asked for; False if the row was lost."""
    gone = await connection.execute(delete(rows).where(_is(held), _runs(held)))
    return gone.rowcount == 1


async def prune(connection: AsyncConnection, now: float, limit: int = 500) -> int:
    """Forget what has expired, of every tenant; returns how many."""
    names = (rows.c.tenant, rows.c.id)
    old = select(*names).where(rows.c.expires <= now).limit(limit)
    gone = await connection.execute(
        delete(rows).where(tuple_(*names).in_(old.with_for_update(skip_locked=True)))
    )
    return gone.rowcount


async def _inserted(connection: AsyncConnection, wanted: IdempotencyRow) -> bool:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = dialect.insert(rows).values(**_values(wanted)).on_conflict_do_nothing()
    return (await connection.execute(made)).rowcount == 1


def _values(row: IdempotencyRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in IdempotencyRow.__slots__}


def _is(row: IdempotencyRow) -> ColumnElement[bool]:
    return and_(rows.c.tenant == row.tenant, rows.c.id == row.id)


def _runs(row: IdempotencyRow) -> ColumnElement[bool]:
    return and_(rows.c.holder == row.holder, rows.c.status.is_(None))
