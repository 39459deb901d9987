"""Every unit of work is priced once, whichever way the plan states its prices."""

import pytest

from cluster.tenants.units import Unit
from cluster.usage.ledger import UNITS
from cluster.usage.prices import Prices, price_of, to_micro

AMOUNTS = {
    Unit.REQUESTS: 1,
    Unit.INPUT_TOKENS: 100,
    Unit.OUTPUT_TOKENS: 10,
    Unit.IMAGES: 2,
    Unit.AUDIO_SECONDS: 0,
    Unit.VIDEO_SECONDS: 0,
    Unit.COST_UNITS: 2_140,
    Unit.CACHE_HITS: 4,
}


@pytest.mark.parametrize(
    ("prices", "nano"),
    [
        pytest.param({}, 0, id="free"),
        pytest.param({Unit.TOKENS: 3}, 330, id="tokens price input and output"),
        pytest.param({Unit.TOKENS: 3, Unit.OUTPUT_TOKENS: 7}, 370, id="own price wins"),
        pytest.param({Unit.TOKENS: 3, Unit.OUTPUT_TOKENS: 0}, 300, id="free output"),
        pytest.param({Unit.COST_UNITS: 2, Unit.TOKENS: 3, Unit.IMAGES: 9}, 4_280, id="cost units"),
        pytest.param({Unit.COST_UNITS: 2, Unit.REQUESTS: 5}, 4_285, id="requests beside them"),
        pytest.param({Unit.IMAGES: 9}, 18, id="images alone"),
        pytest.param({Unit.CACHE_HITS: 2, Unit.COST_UNITS: 1}, 2_148, id="kept answers"),
    ],
)
def test_the_sum_over_stored_units_is_the_price(prices: Prices, nano: int) -> None:
    assert sum(AMOUNTS[unit] * price_of(prices, unit) for unit in UNITS) == nano


@pytest.mark.parametrize(
    ("nano", "rounded"), [(0, 0), (499, 0), (500, 1), (1_499, 1), (10**18, 10**15)]
)
def test_micro_currency_is_rounded_half_up(nano: int, rounded: int) -> None:
    assert to_micro(nano) == rounded
