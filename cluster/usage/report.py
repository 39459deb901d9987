"""Usage and money by day, key, model, unit, tenant, team, end user, tag and provider.

Flows in: a connection, a tenant (None: all, for the cluster's operator), a span of UTC days. Flows
out: rows in micro-currency, or the one number that a budget needs.

Two tables hold the same usage: `usage` by key, `usage_dimensions` by one dimension at a time. So a
report is by at most one of DIMENSIONS, and then not by key.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Table, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.problems import InvalidRequest
from cluster.storage.tables import usage, usage_dimensions
from cluster.tenants.units import Unit
from cluster.usage.dimensions import DIMENSIONS
from cluster.usage.prices import to_micro

Group = Literal["day", "key", "model", "unit", "tenant", "team", "end_user", "tag", "provider"]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """What the usage of a report has in common; None: anything. `end_user` is any of these values,
    as they are stored.
    """

    key: str | None = None
    model: str | None = None
    team: str | None = None
    end_user: tuple[str, ...] | None = None
    tag: str | None = None
    provider: str | None = None

    def names(self) -> list[str]:
        """The fields that are given."""
        return [name for name in self.__slots__ if getattr(self, name) is not None]


NO_FILTER = UsageFilter()


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
    only: UsageFilter = NO_FILTER,
    limit: int | None = None,
    after: Sequence[str] | None = None,
) -> list[UsageRow]:
    """Sums by `group_by` (any of GROUPS), in that order: at most `limit` rows, which come after the
    one whose group has the values `after`.

    Days are UTC dates such as 2026-11-21, both included. Raises InvalidRequest for a group that is
    unknown, and for groups and filters that no table holds together. Tokens are counted as input
    and output tokens; add them for `tokens`.
    """
    if unknown := sorted(set(group_by) - set(GROUPS)):
        raise InvalidRequest(
            f"group_by: '{unknown[0][:40]}' is none of {', '.join(GROUPS)}.", param="group_by"
        )
    names = [name for name in GROUPS if name in group_by]
    dimension = _dimension(names, only.names())
    table = usage if dimension is None else usage_dimensions
    keys = [table.c["value" if name == dimension else name] for name in names]
    columns = list(dict.fromkeys([*keys, table.c.unit]))
    sums = [func.sum(table.c[name]) for name in ("amount", "cost", "revenue")]
    query = select(*keys, table.c.unit.label("of"), *sums).group_by(*columns).order_by(*columns)
    query = query.where(*_within(table, tenant, first_day, last_day))
    query = query.where(*_only(table, dimension, only))
    if after is not None:
        if len(after) != len(keys) or not keys:
            raise InvalidRequest("cursor: is not of this report.", param="cursor")
        query = query.where(tuple_(*keys) > tuple_(*after))
    if limit is not None:
        query = query.limit(limit * len(Unit))
    return _fold(names, await connection.execute(query))[:limit]


async def budget_used(
    connection: AsyncConnection, tenant: str, unit: Unit, first_day: str, last_day: str
) -> int:
    """How much of `unit` the tenant has used in these days, for budgets."""
    query = select(func.sum(usage.c.amount)).where(
        *_within(usage, tenant, first_day, last_day), usage.c.unit.in_(stored_units(unit))
    )
    return int((await connection.execute(query)).scalar_one() or 0)


def stored_units(unit: Unit) -> list[str]:
    """The units whose sum is `unit`, as they are stored."""
    stored = [unit] if unit is not Unit.TOKENS else [Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS]
    return [each.value for each in stored]


def _dimension(names: Sequence[str], filters: Sequence[str]) -> str | None:
    """The one dimension that a report is by. Raises InvalidRequest."""
    given = [("group_by", name) for name in names] + [(name, name) for name in filters]
    dimensions = list(dict.fromkeys(name for _, name in given if name in DIMENSIONS))
    if not dimensions:
        return None
    for param, name in given:
        if name == "key" or (name in dimensions and name != dimensions[0]):
            raise InvalidRequest(
                f"{param}: '{name}' and '{dimensions[0]}' are not known together; usage is summed "
                f"by key, or by one of {', '.join(DIMENSIONS)}.",
                param=param,
            )
    return dimensions[0]


def _within(
    table: Table, tenant: str | None, first_day: str, last_day: str
) -> list[ColumnElement[bool]]:
    days = table.c.day.between(first_day, last_day)
    return [days] if tenant is None else [table.c.tenant == tenant, days]


def _only(table: Table, dimension: str | None, only: UsageFilter) -> list[ColumnElement[bool]]:
    conditions = [table.c[name] == getattr(only, name) for name in ("key", "model")
                  if getattr(only, name) is not None]  # fmt: skip
    if dimension is None:
        return conditions
    conditions.append(table.c.dimension == dimension)
    value = getattr(only, dimension)
    if value is not None:
        conditions.append(table.c.value.in_(value if isinstance(value, tuple) else (value,)))
    return conditions


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
