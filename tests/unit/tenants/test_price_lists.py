"""Which prices of a plan apply to a model, and which price lists are refused."""

import random
from typing import Any

import pytest
from pydantic import ValidationError

from cluster.tenants.plan import Plan
from cluster.tenants.price_list import most_specific
from cluster.tenants.units import Unit

PATTERNS = ("*", "gpt-4o", "gpt-*", "gpt-4*", "openai/gpt-4?", "provider:openai", "provider:*")


@pytest.mark.parametrize(
    ("model", "provider", "pattern"),
    [
        pytest.param("gpt-4o", "openai", "gpt-4o", id="the exact id first"),
        pytest.param("gpt-4.1", "openai", "gpt-4*", id="then the longest pattern"),
        pytest.param("gpt-5", "azure", "gpt-*", id="ids before providers"),
        pytest.param("openai/gpt-4o", "openai", "openai/gpt-4?", id="one character"),
        pytest.param("nano", "local", "*", id="any model"),
    ],
)
def test_the_most_specific_pattern_applies(model: str, provider: str, pattern: str) -> None:
    shuffled = random.Random(3).sample(PATTERNS, len(PATTERNS))

    assert most_specific(shuffled, model, provider) == pattern


def test_providers_apply_where_no_id_does() -> None:
    patterns = ("provider:*", "provider:open*", "provider:openai", "gpt")

    assert most_specific(patterns, "o3", "openai") == "provider:openai"
    assert most_specific(patterns, "o3", "openrouter") == "provider:open*"
    assert most_specific(patterns, "nano", "local") == "provider:*"
    assert most_specific((), "nano", "local") is None


def test_a_list_by_model_applies_alone_even_if_it_is_empty() -> None:
    plan = Plan(id="p", prices={Unit.TOKENS: 5}, model_prices={"nano": {}, "big": {Unit.TOKENS: 9}})

    assert plan.prices_of("nano", "local") == {}
    assert plan.prices_of("big", "local") is plan.prices_of("big", "local")
    assert plan.prices_of("other", "local") == {Unit.TOKENS: 5}
    assert Plan(id="p").prices_of("nano", "local") is None


def test_what_was_looked_up_is_no_part_of_the_plan() -> None:
    plan, other = Plan(id="p", model_prices={"a": {}}), Plan(id="p", model_prices={"a": {}})
    plan.prices_of("a", "local")

    assert plan == other
    assert plan.model_dump() == other.model_dump()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prices": {"estimated_tokens": 1}}, "price those"),
        ({"model_prices": {"gpt": {"estimated_tokens": 1}}}, "price those"),
        ({"model_prices": {"": {"tokens": 1}}}, "at least 1 character"),
        ({"model_prices": {"gpt": {"tokens": -1}}}, "greater than or equal to 0"),
        ({"budgets": {"cached_tokens": {"day": 5}}}, "budget input_tokens"),
        ({"budgets": {"reasoning_tokens": {"day": 5}}}, "budget output_tokens"),
        ({"budgets": {"estimated_tokens": {"day": 5}}}, "budget tokens"),
    ],
)
def test_a_mark_or_a_part_is_refused_where_it_cannot_count(
    fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        Plan.model_validate({"id": "p", **fields})
