"""How many values of a dimension are stored for a tenant and day: MAX_VALUES, then `other`.

Flows in: increments of `usage_dimensions`, in the transaction that applies them. Flows out: the
same, where values beyond the limit are `other`: sums stay exact. Values that are stored stay
theirs. Processes that write new values in the same moment may exceed the limit by those. Providers
are not limited: the configuration names them.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import usage_dimensions
from cluster.usage.dimensions import MAX_VALUES, OTHER
from cluster.usage.increments import Batch, DimensionIncrement

MAX_KNOWN = 200_000  # values that one process remembers as stored
_QUERY_VALUES = 500

Group = tuple[str, str, str]  # tenant, dimension, day


class ValueLimit:
    """Of one process: it asks the store once for each value."""

    def __init__(self, limit: int = MAX_VALUES) -> None:
        self._limit = limit
        self._known: dict[Group, set[str]] = {}
        self._count = 0

    async def apply(self, connection: AsyncConnection, batch: Batch) -> Batch:
        """The batch with at most so many values."""
        new: dict[Group, dict[str, None]] = {}
        for each in batch.dimensions:
            group = each.tenant, each.dimension, each.day
            if each.dimension != "provider" and each.value not in self._known.get(group, ()):
                new.setdefault(group, {})[each.value] = None
        excess: set[tuple[str, str, str, str]] = set()
        for group, values in new.items():
            stored = await self._stored(connection, group, values)
            unseen = [value for value in values if value not in stored and value != OTHER]
            room = 0
            if unseen:
                room = max(0, self._limit - await _count(connection, group))
            excess.update((*group, value) for value in unseen[room:])
            self._remember(group, [*stored, *unseen[:room]])
        if not excess:
            return batch
        return Batch(batch.usage, _folded(batch.dimensions, excess))

    async def _stored(
        self, connection: AsyncConnection, group: Group, values: Iterable[str]
    ) -> set[str]:
        asked, stored = list(values), set[str]()
        for start in range(0, len(asked), _QUERY_VALUES):
            part = usage_dimensions.c.value.in_(asked[start : start + _QUERY_VALUES])
            query = select(usage_dimensions.c.value).where(part, *_of(group)).distinct()
            stored.update((await connection.execute(query)).scalars())
        return stored

    def _remember(self, group: Group, values: Sequence[str]) -> None:
        if self._count + len(values) > MAX_KNOWN:
            self._known, self._count = {}, 0
        known = self._known.setdefault(group, set())
        self._count -= len(known)
        known.update(values)
        self._count += len(known)


async def _count(connection: AsyncConnection, group: Group) -> int:
    column = usage_dimensions.c.value
    query = select(func.count(distinct(column))).where(column != OTHER, *_of(group))
    return int((await connection.execute(query)).scalar_one())


def _of(group: Group) -> tuple[ColumnElement[bool], ...]:
    columns = usage_dimensions.c
    tenant, dimension, day = group
    return columns.tenant == tenant, columns.dimension == dimension, columns.day == day


def _folded(
    increments: Sequence[DimensionIncrement], excess: set[tuple[str, str, str, str]]
) -> list[DimensionIncrement]:
    """Those of excess values summed up as `other`."""
    sums: dict[tuple[str, ...], DimensionIncrement] = {}
    for each in increments:
        is_excess = (each.tenant, each.dimension, each.day, each.value) in excess
        moved = each._replace(value=OTHER) if is_excess else each
        row = moved[:-3]
        if old := sums.get(row):
            moved = moved._replace(
                amount=old.amount + each.amount,
                cost=old.cost + each.cost,
                revenue=old.revenue + each.revenue,
            )
        sums[row] = moved
    return [sums[row] for row in sorted(sums)]
