"""What a plan charges for work, exactly as the ledger records it.

Flows in: a plan, amounts. Flows out: nano-currency, whole numbers.
"""

from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit, UsageAmounts, amount_of
from cluster.usage.ledger import UNITS
from cluster.usage.prices import price_of

_CHARGED = tuple(unit for unit in UNITS if unit is not Unit.CACHE_HITS)


def charge_of(plan: Plan, amounts: UsageAmounts, requests: int = 1) -> int:
    """Nano-currency for work of so many `requests` to a model."""
    prices = plan.prices
    if not prices:
        return 0
    return sum(
        price * amount_of(unit, amounts, plan.weights, requests)
        for unit in _CHARGED
        if (price := price_of(prices, unit))
    )


def charge_of_cache_hit(plan: Plan) -> int:
    """Nano-currency for one request that the cache answers."""
    return price_of(plan.prices, Unit.CACHE_HITS)
