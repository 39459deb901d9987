"""Usage and money by day, key, model, unit and tenant.

Flows in: a connection, a tenant (None: all, for the cluster's operator), a span of UTC days. Flows
out: rows in micro-currency, or the one number that a budget needs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.problems import InvalidRequest
from cluster.storage.tables import usage
from cluster.tenants.units import Unit
from cluster.usage.prices import to_micro

Group = Literal["day", "key", "model", "unit", "tenant"]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """`group` holds a value for each name in `group_by`. `cost` and `revenue` are micro-currency,
    rounded once, here; so the sum of rows can differ from a total by half a unit a row.
    """

    group: Mapping[str, str]
    amounts: Mapping[Unit, int]
    cost: int
    revenue: int


async def usage_report(
    connection: AsyncConnection,
    tenant: str | None,
    first_day: str,
    last_day: str,
    group_by: Collection[str] = ("day", "model"),
) -> list[UsageRow]:
    """Sums by `group_by` (any of day, key, model, unit, tenant), in that order.

    Days are UTC dates such as 2026-11-21, both included. Raises InvalidRequest for an unknown
    group. Tokens are counted as input and output tokens; add them for `tokens`.
    """
    if unknown := sorted(set(group_by) - set(GROUPS)):
        raise InvalidRequest(
            f"group_by: '{unknown[0][:40]}' is none of {', '.join(GROUPS)}.", param="group_by"
        )
    names = [name for name in GROUPS if name in group_by]
    keys = [usage.c[name] for name in names]
    columns = list(dict.fromkeys([*keys, usage.c.unit]))
    sums = [func.sum(usage.c[name]) for name in ("amount", "cost", "revenue")]
    query = select(*keys, usage.c.unit.label("of"), *sums).group_by(*columns).order_by(*columns)
    result = await connection.execute(query.where(*_within(tenant, first_day, last_day)))
    return _fold(names, result)


async def budget_used(
    connection: AsyncConnection, tenant: str, unit: Unit, first_day: str, last_day: str
) -> int:
    """How much of `unit` the tenant has used in these days, for budgets."""
    stored = [unit] if unit is not Unit.TOKENS else [Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS]
    query = select(func.sum(usage.c.amount)).where(
        *_within(tenant, first_day, last_day), usage.c.unit.in_([each.value for each in stored])
    )
    return int((await connection.execute(query)).scalar_one() or 0)


def _within(tenant: str | None, first_day: str, last_day: str) -> list[ColumnElement[bool]]:
    days = usage.c.day.between(first_day, last_day)
    return [days] if tenant is None else [usage.c.tenant == tenant, days]


def _fold(names: list[Group], rows: Any) -> list[UsageRow]:
    """One row a group, whatever the number of units in it."""
    by_group: dict[tuple[str, ...], tuple[dict[Unit, int], int, int]] = {}
    for row in rows:
        *group, unit, amount, cost, revenue = row
        amounts, costs, revenues = by_group.get(tuple(group), ({}, 0, 0))
        amounts[Unit(unit)] = int(amount)
        by_group[tuple(group)] = (amounts, costs + int(cost), revenues + int(revenue))
    return [
        UsageRow(dict(zip(names, group, strict=True)), amounts, to_micro(cost), to_micro(revenue))
        for group, (amounts, cost, revenue) in by_group.items()
    ]
