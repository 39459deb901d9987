"""Policies of keys and teams: what is valid, what is stored, and which apply to a key."""

from typing import Any

import pytest
from pydantic import ValidationError

from cluster.tenants.plan import LimitTerms, Plan
from cluster.tenants.policy import (
    MAX_SPEND,
    NO_LIMITS,
    LimitPolicy,
    caller_policies,
    parse_policy,
    policy_text,
)

WIDE: dict[str, Any] = {
    "models": ["nano", "Qwen/*"],
    "rates": {"generate": {"requests": {"limit": 60}, "tokens": {"limit": 9, "mode": "shadow"}}},
    "models_rates": {"nano": {"tokens": {"limit": 10}}},
    "concurrency": {"limit": 4},
    "budgets": {"tokens": {"day": 100, "month": 1000}},
    "spend": {"amount": 5, "period": "month"},
}


def test_a_policy_comes_back_from_its_stored_form() -> None:
    policy = LimitPolicy.model_validate(WIDE)

    assert parse_policy(policy_text(policy)) == policy


@pytest.mark.parametrize("policy", [None, NO_LIMITS, LimitPolicy.model_validate({"rates": {}})])
def test_a_policy_without_limits_is_not_stored(policy: LimitPolicy | None) -> None:
    assert policy_text(policy) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"spend": {"amount": 0}}', '{"newer": 1}'])
def test_what_cannot_be_read_allows_no_model(text: str) -> None:
    policy = parse_policy(text)

    assert policy is not None
    assert not any(policy.allows_model(model) for model in ("nano", "", "*", "Qwen/x") if model)


@pytest.mark.parametrize(
    "fields",
    [
        {"spend": {"amount": 0}},
        {"spend": {"amount": MAX_SPEND + 1}},
        {"spend": {"amount": 1, "period": "week"}},
        {"spend": {"amount": 1, "currency": "EUR"}},
        {"models": []},
        {"models": ["x" * 201]},
        {"models": ["m"] * 257},
        {"name": "no plan"},
        {"budgets": {"spend": {"day": 1}}},
    ],
)
def test_what_a_policy_may_not_say(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LimitPolicy.model_validate(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"models_rates": {"nano*": {}}},
        {"models": ["nano"], "models_rates": {"large": {"tokens": {"limit": 1}}}},
        {"budgets": {"tokens": {"day": 10, "month": 9}}},
        {"budgets": {"cache_hits": {"day": 10}}},
        {
            "rates": {"generate": {"tokens": {"limit": 100, "burst": 50}}},
            "budgets": {"tokens": {"day": 49}},
        },
    ],
)
def test_plans_and_policies_refuse_the_same_contradictions(fields: dict[str, Any]) -> None:
    kinds: tuple[tuple[type[LimitTerms], dict[str, Any]], ...] = (
        (Plan, {"id": "p"}),
        (LimitPolicy, {}),
    )
    for kind, more in kinds:
        with pytest.raises(ValidationError):
            kind.model_validate({**fields, **more})


def test_money_is_no_unit_of_a_plan() -> None:
    for fields in ({"budgets": {"spend": {"day": 1}}}, {"prices": {"spend": 1}}):
        with pytest.raises(ValidationError):
            Plan.model_validate({"id": "p", **fields})


def test_a_key_is_bound_by_its_team_and_by_its_own_policy() -> None:
    nano, qwen = LimitPolicy(models=("nano", "Qwen/*")), LimitPolicy(models=("Qwen/*",))
    both = caller_policies("k1", qwen, "ml", nano)

    assert both is not None
    assert [each.subject for each in both.subjects] == ["team:ml", "key:k1"]
    allowed = {model: both.allows_model(model) for model in ("nano", "Qwen/x", "gpt")}
    assert allowed == {"nano": False, "Qwen/x": True, "gpt": False}
    assert caller_policies("k1", None, "ml", None) is None
