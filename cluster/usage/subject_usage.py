"""What a team or a key has used and spent, by the ledger, for its budgets.

Flows in: a connection, a tenant, `key:<account>` or `team:<id>`, a unit, a span of UTC days. Flows
out: one number. A team's use is that of the keys that are in it now.
"""

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import api_keys, usage
from cluster.tenants.units import Unit


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
    amount = usage.c.revenue if unit is Unit.SPEND else usage.c.amount
    query = select(func.sum(amount)).where(
        usage.c.tenant == tenant,
        usage.c.day.between(first_day, last_day),
        usage.c.key.in_(_keys_of(tenant, subject)),
    )
    if unit is not Unit.SPEND:
        stored = [Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS] if unit is Unit.TOKENS else [unit]
        query = query.where(usage.c.unit.in_([each.value for each in stored]))
    return int((await connection.execute(query)).scalar_one() or 0)


def _keys_of(tenant: str, subject: str) -> Select[tuple[str]]:
    kind, _, id = subject.partition(":")
    keys = select(api_keys.c.id).where(api_keys.c.tenant == tenant)
    if kind == "key":
        return keys.where(or_(api_keys.c.id == id, api_keys.c.account == id))
    if kind == "team":
        return keys.where(api_keys.c.team == id)
    raise ValueError(f"no usage is kept of subject '{subject[:80]}'")
