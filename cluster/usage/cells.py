"""Cells: sums of usage that share a tenant, key, model, day, prices and dimensions.

Flows in: cells, from the ledger's memory or from a journal. Flows out: a batch, one increment for
each row of `usage` and `usage_dimensions`, in the order of their primary keys, so that two
processes cannot deadlock. Money is nano-currency.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage.dimensions import CallDimensions
from cluster.usage.increments import Batch, DimensionIncrement, Increment, day_name
from cluster.usage.prices import UNITS, charged

# Tenant, key, model, and the day since the epoch.
Where = tuple[str, str, str, int]

DAY_S = 86_400
WIDTH = len(UNITS) + 1  # of a cell's counts
_REQUESTS = UNITS.index(Unit.REQUESTS)


class Cell(NamedTuple):
    """`prices` and `costs` follow UNITS. So do `counts`, whose last entry is the cost that
    providers have reported; it is stored with the requests.
    """

    where: Where
    prices: Sequence[int]
    costs: Sequence[int]
    counts: Sequence[int]
    dimensions: CallDimensions


def counts_of(
    amounts: UsageAmounts, requests: int, cost_units: int, cache_hits: int = 0
) -> tuple[int, ...]:
    """The counts of a cell for this work."""
    return (
        requests,
        amounts.input_tokens,
        amounts.output_tokens,
        amounts.images,
        amounts.audio_seconds,
        amounts.video_seconds,
        cost_units,
        cache_hits,
        amounts.cached_tokens,
        amounts.reasoning_tokens,
        amounts.estimated_tokens,
        amounts.characters,
        amounts.pages,
        0,
    )


def to_batch(cells: Iterable[Cell], provider_of: Callable[[str], str]) -> Batch:
    """What the rows grow by. `provider_of` gives the provider of a model."""
    rows: dict[tuple[str, str, str, str, str], list[int]] = {}
    dimensions: dict[tuple[str, str, str, str, str, str], list[int]] = {}
    for cell in cells:
        tenant, key, model, number = cell.where
        day = day_name(number)
        values = list(cell.dimensions.values(provider_of(model)))
        for unit, *sums in _sums(cell):
            _add(rows.setdefault((tenant, key, model, day, unit), [0, 0, 0]), sums)
            for dimension, value in values:
                row = (tenant, dimension, value, day, model, unit)
                _add(dimensions.setdefault(row, [0, 0, 0]), sums)
    return Batch(
        [Increment(*row, *rows[row]) for row in sorted(rows)],
        [DimensionIncrement(*row, *dimensions[row]) for row in sorted(dimensions)],
    )


def _sums(cell: Cell) -> Iterator[tuple[str, int, int, int]]:
    """Unit, amount, cost and revenue of what the cell holds."""
    for index, amount in enumerate(charged(cell.counts)[:-1]):
        counted = cell.counts[index]
        cost = amount * cell.costs[index]
        if index == _REQUESTS:
            cost += cell.counts[-1]
        if counted or cost:
            yield UNITS[index].value, counted, cost, amount * cell.prices[index]


def _add(sums: list[int], more: Sequence[int]) -> None:
    for index, amount in enumerate(more):
        sums[index] += amount
