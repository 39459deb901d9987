"""What a team or a key has used and spent, by the ledger, for its budgets.

Flows in: a connection, a tenant, `key:<account>` or `team:<id>`, a unit, a span of UTC days. Flows
out: one number. A key's use is also that of its predecessors and successors; a team's is what its
keys used while they were in it.
"""

from sqlalchemy import ColumnElement, Table, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import api_keys, usage, usage_dimensions
from cluster.tenants.units import Unit
from cluster.usage.report import stored_units


async def subject_used(
    connection: AsyncConnection,
    tenant: str,
    subject: str,
    unit: Unit,
    first_day: str,
    last_day: str,
) -> int:
    """How much of `unit` the subject has used in these days, both included; of Unit.SPEND the
    nano-currency that was charged. Raises ValueError for a subject of another kind."""
    table, conditions = _rows_of(tenant, subject)
    amount = table.c.revenue if unit is Unit.SPEND else table.c.amount
    query = select(func.sum(amount)).where(
        table.c.tenant == tenant, table.c.day.between(first_day, last_day), *conditions
    )
    if unit is not Unit.SPEND:
        query = query.where(table.c.unit.in_(stored_units(unit)))
    return int((await connection.execute(query)).scalar_one() or 0)


def _rows_of(tenant: str, subject: str) -> tuple[Table, list[ColumnElement[bool]]]:
    kind, _, id = subject.partition(":")
    if kind == "key":
        keys = select(api_keys.c.id).where(
            api_keys.c.tenant == tenant, or_(api_keys.c.id == id, api_keys.c.account == id)
        )
        return usage, [usage.c.key.in_(keys)]
    if kind == "team":
        columns = usage_dimensions.c
        return usage_dimensions, [columns.dimension == "team", columns.value == id]
    raise ValueError(f"no usage is kept of subject '{subject[:80]}'")
