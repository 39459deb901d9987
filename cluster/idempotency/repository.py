"""SQL of `idempotency_keys`: leases of requests and their responses.

In: a transaction, a row and a time. Out: a row that the caller may run, or the existing one.
`holder` is the fence: a holder that lost its lease changes nothing. Knows no HTTP and no keys;
responses are encrypted.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, select, update
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
    connection: AsyncConnection, requested: IdempotencyRow, now: float
) -> IdempotencyRow:
    """The present row; the claim succeeded if its holder is `requested.holder`.

    A claim succeeds if there is no row, if it has expired, or if it is of the same request and its
    lease has ended without a response.
    """
    if await _try_insert(connection, requested):
        return requested
    existing = (
        await connection.execute(select(rows).where(_matches_id(requested)).with_for_update())
    ).first()
    if existing is None:  # pruned or released meanwhile
        return await try_claim(connection, requested, now)
    current = IdempotencyRow(**existing._mapping)
    abandoned = current.status is None and current.leased <= now
    if current.expires > now and not (abandoned and current.fingerprint == requested.fingerprint):
        return current
    await connection.execute(
        update(rows).where(_matches_id(requested)).values(**_values(requested))
    )
    return requested


async def complete(connection: AsyncConnection, held: IdempotencyRow) -> bool:
    """Stores the response until `held.expires`; False if the lease was lost."""
    result = await connection.execute(
        update(rows)
        .where(_matches_id(held), _is_held(held))
        .values(status=held.status, answer=held.answer, expires=held.expires)
    )
    return result.rowcount == 1


async def release(connection: AsyncConnection, held: IdempotencyRow) -> bool:
    """Deletes the row; False if the lease was lost."""
    result = await connection.execute(delete(rows).where(_matches_id(held), _is_held(held)))
    return result.rowcount == 1


async def _try_insert(connection: AsyncConnection, requested: IdempotencyRow) -> bool:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = dialect.insert(rows).values(**_values(requested)).on_conflict_do_nothing()
    return (await connection.execute(made)).rowcount == 1


def _values(row: IdempotencyRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in IdempotencyRow.__slots__}


def _matches_id(row: IdempotencyRow) -> ColumnElement[bool]:
    return and_(rows.c.tenant == row.tenant, rows.c.id == row.id)


def _is_held(row: IdempotencyRow) -> ColumnElement[bool]:
    return and_(rows.c.holder == row.holder, rows.c.status.is_(None))
