"""Every unit of work is priced once, whichever way the plan states its prices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.tenants.units import Unit
from cluster.usage.prices import UNITS, Prices, by_unit, charged, price_of, to_micro

OTHERS = (Unit.IMAGES, Unit.AUDIO_SECONDS, Unit.VIDEO_SECONDS, Unit.CHARACTERS, Unit.PAGES)
AMOUNTS = {
    Unit.REQUESTS: 1,
    Unit.INPUT_TOKENS: 100,
    Unit.OUTPUT_TOKENS: 10,
    Unit.IMAGES: 2,
    Unit.AUDIO_SECONDS: 0,
    Unit.VIDEO_SECONDS: 0,
    Unit.COST_UNITS: 2_140,
    Unit.CHARACTERS: 50,
    Unit.PAGES: 6,
    Unit.CACHE_HITS: 4,
    Unit.CACHED_TOKENS: 60,
    Unit.REASONING_TOKENS: 3,
    Unit.ESTIMATED_TOKENS: 110,
}


def money(amounts: dict[Unit, int], prices: Prices) -> int:
    """As the ledger computes it."""
    counts = charged([amounts[unit] for unit in UNITS])
    return sum(count * price for count, price in zip(counts, by_unit(prices), strict=True))


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
        pytest.param({Unit.CHARACTERS: 3, Unit.TOKENS: 3}, 480, id="characters beside tokens"),
        pytest.param({Unit.PAGES: 5, Unit.IMAGES: 9}, 48, id="pages beside images"),
        pytest.param({Unit.CACHE_HITS: 2, Unit.COST_UNITS: 1}, 2_148, id="kept answers"),
        pytest.param({Unit.INPUT_TOKENS: 10, Unit.CACHED_TOKENS: 1}, 460, id="cached tokens"),
        pytest.param({Unit.TOKENS: 10, Unit.CACHED_TOKENS: 0}, 500, id="free cached tokens"),
        pytest.param({Unit.CACHED_TOKENS: 2}, 120, id="cached tokens alone"),
        pytest.param({Unit.OUTPUT_TOKENS: 5, Unit.REASONING_TOKENS: 9}, 62, id="reasoning"),
        pytest.param({Unit.COST_UNITS: 1, Unit.CACHED_TOKENS: 7}, 2_140, id="cost units over all"),
    ],
)
def test_the_sum_over_stored_units_is_the_price(prices: Prices, nano: int) -> None:
    assert money(AMOUNTS, prices) == nano


@st.composite
def amounts(draw: st.DrawFn) -> dict[Unit, int]:
    used = {unit: draw(st.integers(0, 10**6)) for unit in UNITS}
    used[Unit.CACHED_TOKENS] = draw(st.integers(0, used[Unit.INPUT_TOKENS]))
    used[Unit.REASONING_TOKENS] = draw(st.integers(0, used[Unit.OUTPUT_TOKENS]))
    return used


def naive_price(used: dict[Unit, int], prices: Prices) -> int:
    """Token by token: each looks for the price that applies to it, and pays it once."""
    total = sum(used[unit] * prices.get(unit, 0) for unit in (Unit.REQUESTS, Unit.CACHE_HITS))
    if prices.get(Unit.COST_UNITS):
        return total + used[Unit.COST_UNITS] * prices[Unit.COST_UNITS]
    kinds = [
        (used[Unit.CACHED_TOKENS], (Unit.CACHED_TOKENS, Unit.INPUT_TOKENS, Unit.TOKENS)),
        (
            used[Unit.INPUT_TOKENS] - used[Unit.CACHED_TOKENS],
            (Unit.INPUT_TOKENS, Unit.TOKENS),
        ),
        (used[Unit.REASONING_TOKENS], (Unit.REASONING_TOKENS, Unit.OUTPUT_TOKENS, Unit.TOKENS)),
        (
            used[Unit.OUTPUT_TOKENS] - used[Unit.REASONING_TOKENS],
            (Unit.OUTPUT_TOKENS, Unit.TOKENS),
        ),
        *((used[unit], (unit,)) for unit in OTHERS),
    ]
    for count, names in kinds:
        total += count * next((prices[name] for name in names if name in prices), 0)
    return total


@given(amounts(), st.dictionaries(st.sampled_from(list(Unit)), st.integers(0, 10**6)))
def test_no_token_is_priced_twice(used: dict[Unit, int], prices: Prices) -> None:
    assert money(used, prices) == naive_price(used, prices)


def test_a_mark_has_no_price() -> None:
    assert price_of({Unit.ESTIMATED_TOKENS: 5, Unit.TOKENS: 5}, Unit.ESTIMATED_TOKENS) == 0


@pytest.mark.parametrize(
    ("nano", "rounded"), [(0, 0), (499, 0), (500, 1), (1_499, 1), (10**18, 10**15)]
)
def test_micro_currency_is_rounded_half_up(nano: int, rounded: int) -> None:
    assert to_micro(nano) == rounded
