"""Which costs, prices and provider a model has, and what a plan charges for it."""

import pytest

from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage.price_book import ModelTerms, PriceBook

BOOK = PriceBook(
    costs={"nano": {}, "acme/small": {}, "openai": {Unit.TOKENS: 3}, "openai/gpt-4o": {}},
    prices={"nano": {Unit.TOKENS: 2, Unit.CACHED_TOKENS: 1, Unit.CACHE_HITS: 7}},
    providers={"openai": "openai.com", "openai/gpt-4o": "azure", "acme": "acme.example"},
)


@pytest.mark.parametrize(
    ("model", "terms"),
    [
        pytest.param("openai/o3", ({Unit.TOKENS: 3}, {}, "openai.com"), id="of a listing provider"),
        pytest.param("openai/gpt-4o", ({}, {}, "azure"), id="an id wins over a prefix"),
        pytest.param("openai/gpt-4o/x", ({}, {}, "azure"), id="the longest prefix"),
        pytest.param("acme/small", ({}, {}, "local"), id="a local id that looks like a prefix"),
        pytest.param("openaix", ({}, {}, "local"), id="no prefix"),
    ],
)
def test_terms_of_a_model(model: str, terms: ModelTerms) -> None:
    assert BOOK.terms_of(model) == terms
    assert BOOK.terms_of(model) is BOOK.known[model]


@pytest.mark.parametrize(
    ("plan", "nano"),
    [
        pytest.param({}, 2 * (10 - 4 + 5) + 4, id="the model's prices"),
        pytest.param({"prices": {"requests": 3}}, 3, id="the plan's"),
        pytest.param({"model_prices": {"nano": {"output_tokens": 9}}}, 45, id="the plan's for it"),
        pytest.param({"model_prices": {"provider:local": {}}}, 0, id="given away"),
    ],
)
def test_what_a_plan_charges(plan: dict[str, object], nano: int) -> None:
    amounts = UsageAmounts(10, 5, cached_tokens=4)

    assert BOOK.charge_of(Plan.model_validate({"id": "p", **plan}), "nano", amounts) == nano


def test_a_hit_of_the_cache_is_charged_by_itself() -> None:
    charge = BOOK.charge_of(Plan(id="p"), "nano", UsageAmounts(), requests=0, cache_hits=2)

    assert charge == 14


@pytest.mark.parametrize(
    ("prices", "most"),
    [
        pytest.param({"tokens": 2}, 30, id="no parts"),
        pytest.param({"tokens": 2, "cached_tokens": 1}, 30, id="a cheaper part"),
        pytest.param({"tokens": 2, "reasoning_tokens": 9}, 20 + 45, id="a dearer part"),
        pytest.param({"cost_units": 1, "reasoning_tokens": 9}, 10 + 4 * 5, id="cost units"),
        pytest.param({"requests": 7}, 7, id="the request"),
    ],
)
def test_a_call_costs_at_most_what_its_dearest_parts_do(prices: dict[str, int], most: int) -> None:
    plan = Plan.model_validate({"id": "p", "prices": prices})

    assert BOOK.most_of(plan, "nano", UsageAmounts(10, 5)) == most
    for cached, reasoning in ((0, 0), (10, 0), (3, 5)):
        amounts = UsageAmounts(10, 5, cached_tokens=cached, reasoning_tokens=reasoning)
        assert BOOK.charge_of(plan, "nano", amounts) <= most
