"""What work costs the operator and earns from the tenant, exactly.

Flows in: amounts and prices in micro-currency for 1,000 of a unit. Flows out: nano-currency, that
is amount x price, a whole number: nothing is rounded until a report divides a sum by 1,000.

No work is priced twice. Where cost units have a price, they price the work, all modalities at once,
and the prices of single modalities do not count. Else each modality has its own price; `tokens`
prices input and output tokens that have none of their own. Requests are priced beside either.
"""

from collections.abc import Mapping
from types import MappingProxyType

from cluster.tenants.units import Unit

NANO = 1_000  # nano-currency in a micro-currency
Prices = Mapping[Unit, int]
NO_PRICES: Prices = MappingProxyType({})
_TOKENS = (Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS)
_REQUESTS = (Unit.REQUESTS, Unit.CACHE_HITS)


def price_of(prices: Prices, unit: Unit) -> int:
    """Micro-currency for 1,000 of `unit`, so that the sum over all stored units is the price."""
    if unit is Unit.TOKENS:  # never stored: input and output tokens are
        return 0
    if unit in _REQUESTS or prices.get(Unit.COST_UNITS):
        return prices.get(unit, 0) if unit in (*_REQUESTS, Unit.COST_UNITS) else 0
    if unit in _TOKENS:
        return prices.get(unit, prices.get(Unit.TOKENS, 0))
    return prices.get(unit, 0)


def to_micro(nano: int) -> int:
    """Micro-currency, rounded half up."""
    return (nano + NANO // 2) // NANO
