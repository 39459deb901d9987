"""What work costs the operator and earns from the tenant, exactly.

Flows in: amounts and prices in micro-currency for 1,000 of a unit. Flows out: nano-currency, that
is amount x price, a whole number: nothing is rounded until a report divides a sum by 1,000.

No work is priced twice. Where cost units have a price, they price the work, all modalities at once,
and the prices of single modalities do not count. Else each modality has its own price; `tokens`
prices input and output tokens that have none of their own. Requests are priced beside either.
Cached tokens are a part of the input tokens, and reasoning tokens of the output tokens: the part
costs what it has a price of its own for, else what the whole does, and the whole is priced without
the part (`charged`).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cluster.tenants.units import PARTS, Unit

NANO = 1_000  # nano-currency in a micro-currency
Prices = Mapping[Unit, int]
NO_PRICES: Prices = MappingProxyType({})
_TOKENS = (Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS)
_REQUESTS = (Unit.REQUESTS, Unit.CACHE_HITS)
# The units that the ledger stores. What is kept by position (counts, prices, lines of the journal)
# follows this order: append to it.
UNITS = (
    Unit.REQUESTS,
    Unit.INPUT_TOKENS,
    Unit.OUTPUT_TOKENS,
    Unit.IMAGES,
    Unit.AUDIO_SECONDS,
    Unit.VIDEO_SECONDS,
    Unit.COST_UNITS,
    Unit.CACHE_HITS,
    Unit.CACHED_TOKENS,
    Unit.REASONING_TOKENS,
    Unit.ESTIMATED_TOKENS,
    Unit.CHARACTERS,
    Unit.PAGES,
)
_PARTS = tuple((UNITS.index(part), UNITS.index(whole)) for part, whole in PARTS.items())


def price_of(prices: Prices, unit: Unit) -> int:
    """Micro-currency for 1,000 of `unit`, so that the sum over what is charged of all stored units
    is the price.
    """
    if unit in (Unit.TOKENS, Unit.ESTIMATED_TOKENS):  # not stored, and a mark
        return 0
    if unit in _REQUESTS or prices.get(Unit.COST_UNITS):
        return prices.get(unit, 0) if unit in (*_REQUESTS, Unit.COST_UNITS) else 0
    if unit in PARTS and unit not in prices:
        unit = PARTS[unit]
    if unit in _TOKENS:
        return prices.get(unit, prices.get(Unit.TOKENS, 0))
    return prices.get(unit, 0)


def by_unit(prices: Prices) -> list[int]:
    """The prices of UNITS, in that order."""
    return [price_of(prices, unit) for unit in UNITS]


def charged(counts: Sequence[int]) -> list[int]:
    """What of `counts`, in the order of UNITS, is priced at the unit's own price: the whole without
    its part.
    """
    amounts = list(counts)
    for part, whole in _PARTS:
        amounts[whole] -= amounts[part]
    return amounts


def dearest(counts: Sequence[int], unit_prices: Sequence[int]) -> list[int]:
    """`counts` with the parts that make them cost most: what a part will be is not known before the
    work is done. `unit_prices` are in the order of UNITS.
    """
    amounts = list(counts)
    for part, whole in _PARTS:
        amounts[part] = amounts[whole] if unit_prices[part] > unit_prices[whole] else 0
    return amounts


def to_micro(nano: int) -> int:
    """Micro-currency, rounded half up."""
    return (nano + NANO // 2) // NANO
