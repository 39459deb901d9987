"""Usage of one piece of work, for the ledger or for the transaction that ends the work.

Flows in: an entry. Flows out: rows of usage, in the caller's transaction.
"""

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.tenants.price_list import LOCAL
from cluster.tenants.units import UsageAmounts
from cluster.usage import increments
from cluster.usage.cells import DAY_S, Cell, counts_of, to_batch
from cluster.usage.dimensions import NO_DIMENSIONS, CallDimensions
from cluster.usage.prices import NO_PRICES, Prices, by_unit
from cluster.usage.value_limit import ValueLimit


@dataclass(slots=True)
class UsageEntry:
    """What one piece of work used. `at` is Unix seconds; `prices` is what the plan charges and
    `costs` what the model costs the operator, both in micro-currency for 1,000 of a unit. The end
    user of `dimensions` is a pseudonym.
    """

    at: float
    tenant: str
    key: str
    model: str
    amounts: UsageAmounts
    cost_units: int = 0
    requests: int = 1
    prices: Prices = field(default_factory=lambda: NO_PRICES)
    costs: Prices = field(default_factory=lambda: NO_PRICES)
    dimensions: CallDimensions = NO_DIMENSIONS


async def record(connection: AsyncConnection, entry: UsageEntry) -> None:
    """Write `entry` in the caller's transaction: for work of this cluster whose end is a row of the
    same store.
    """
    where = entry.tenant, entry.key, entry.model, int(entry.at // DAY_S)
    prices, costs = by_unit(entry.prices), by_unit(entry.costs)
    counts = counts_of(entry.amounts, entry.requests, entry.cost_units)
    cell = Cell(where, prices, costs, counts, entry.dimensions)
    batch = to_batch([cell], lambda _: LOCAL)
    await increments.upsert(connection, await ValueLimit().apply(connection, batch))
