"""What a key, a team or an end user of a tenant has used and spent, for limits of their own.

Flows in: a connection, a subject, a span of UTC days. Flows out: one number. The id of an end user
is its pseudonym (pseudonyms.py).
"""

from typing import Literal

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import usage, usage_dimensions
from cluster.tenants.units import Unit
from cluster.usage.report import stored_units

SubjectKind = Literal["key", "team", "end_user"]


async def spent(
    connection: AsyncConnection,
    tenant: str,
    kind: SubjectKind,
    id: str,
    unit: Unit,
    first_day: str,
    last_day: str,
) -> int:
    """How much of `unit` the subject has used from one day to another, both included."""
    table, conditions = _subject(tenant, kind, id, first_day, last_day)
    query = select(func.sum(table.c.amount)).where(
        *conditions, table.c.unit.in_(stored_units(unit))
    )
    return int((await connection.execute(query)).scalar_one() or 0)


async def spent_revenue(
    connection: AsyncConnection,
    tenant: str,
    kind: SubjectKind,
    id: str,
    first_day: str,
    last_day: str,
) -> int:
    """What the tenant pays for the subject's usage, in nano-currency of its plan."""
    table, conditions = _subject(tenant, kind, id, first_day, last_day)
    query = select(func.sum(table.c.revenue)).where(*conditions)
    return int((await connection.execute(query)).scalar_one() or 0)


def _subject(
    tenant: str, kind: SubjectKind, id: str, first_day: str, last_day: str
) -> tuple[Table, list[ColumnElement[bool]]]:
    if kind == "key":
        table, subject = usage, [usage.c.key == id]
    else:
        table = usage_dimensions
        subject = [table.c.dimension == kind, table.c.value == id]
    return table, [table.c.tenant == tenant, *subject, table.c.day.between(first_day, last_day)]
