"""When a routing rule is met."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from deployments.ingress.names.conditions import conditions_of
from deployments.ingress.names.spec import RoutingRule
from tests.unit.ingress.names.conftest import GivenFacts


def is_met(facts: GivenFacts, **conditions: Any) -> bool:
    rule = RoutingRule.model_validate({"to": "nano", **conditions})
    return all(condition(facts) for condition in conditions_of(rule))


def at(text: str) -> GivenFacts:
    """A request at an instant of UTC."""
    return GivenFacts(now=datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("size", "met"), [(99, False), (100, True), (200, True), (201, False), (0, False)]
)
def test_bounds_of_the_prompt_belong_to_the_range(size: int, met: bool) -> None:
    by_bytes = GivenFacts(prompt_bytes=size)
    by_tokens = GivenFacts(prompt_tokens=size)

    assert is_met(by_bytes, min_prompt_bytes=100, max_prompt_bytes=200) is met
    assert is_met(by_tokens, min_prompt_tokens=100, max_prompt_tokens=200) is met


def test_a_request_has_one_of_the_modalities() -> None:
    facts = GivenFacts(modalities=frozenset(("tools", "structured_output")))

    assert is_met(facts, modalities=["tools"])
    assert is_met(facts, modalities=["text", "structured_output"])
    assert not is_met(facts, modalities=["text"])


def test_plans_and_tenants_are_patterns() -> None:
    facts = GivenFacts(tenant="acme-eu", plan="trial-2")

    assert is_met(facts, tenants=["acme-*"], plans=["pro", "trial-?"])
    assert not is_met(facts, tenants=["acme"])
    assert not is_met(facts, tenants=["acme-*"], plans=["pro"])


@pytest.mark.parametrize(
    ("instant", "met"),
    [
        ("2026-01-05T07:59:59", False),
        ("2026-01-05T08:00:00", True),
        ("2026-01-05T17:59:59", True),
        ("2026-01-05T18:00:00", False),
        ("2026-01-10T12:00:00", False),  # a Saturday
    ],
)
def test_hours_begin_and_do_not_include_their_end(instant: str, met: bool) -> None:
    weekdays = ["mon", "tue", "wed", "thu", "fri"]

    assert is_met(at(instant), days=weekdays, hours="08:00-18:00") is met


@pytest.mark.parametrize(
    ("instant", "met"),
    [
        ("2026-01-09T21:59:00", False),
        ("2026-01-09T22:00:00", True),  # Friday night
        ("2026-01-10T05:59:00", True),  # and its end, on Saturday
        ("2026-01-10T06:00:00", False),
        ("2026-01-10T23:00:00", False),  # the night of Saturday
        ("2026-01-09T05:00:00", False),  # the night of Thursday
    ],
)
def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins(
    instant: str, met: bool
) -> None:
    assert is_met(at(instant), days=["fri"], hours="22:00-06:00") is met


def test_clocks_are_those_of_the_zone_in_summer_and_in_winter() -> None:
    """Berlin is one hour before UTC in January, two in July."""
    morning = {"hours": "08:00-09:00", "zone": "Europe/Berlin"}

    assert is_met(at("2026-01-05T07:30:00"), **morning)
    assert not is_met(at("2026-01-05T06:30:00"), **morning)
    assert is_met(at("2026-07-06T06:30:00"), **morning)


def test_days_alone_are_whole_days() -> None:
    assert is_met(at("2026-01-05T00:00:00"), days=["mon"])
    assert is_met(at("2026-01-05T23:59:59"), days=["mon"])
    assert not is_met(at("2026-01-06T00:00:00"), days=["mon"])
    assert is_met(at("2026-01-05T23:59:59"), hours="12:00-24:00")


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        ({}, "has no condition"),
        ({"zone": "UTC"}, "has no condition"),
        ({"hours": "25:00-26:00"}, "is no span of a day"),
        ({"hours": "08:00-08:00"}, "begins when it ends"),
        ({"hours": "8-18"}, "pattern"),
        ({"days": ["monday"]}, "mon"),
        ({"days": []}, "at least 1"),
        ({"hours": "08:00-09:00", "zone": "Mars/Olympus"}, "is no time zone"),
        ({"hours": "08:00-09:00", "zone": "../etc/passwd"}, "is no time zone"),
        ({"min_prompt_bytes": 5, "max_prompt_bytes": 4}, "more than the maximum"),
        ({"min_prompt_tokens": -1}, "greater than or equal to 0"),
        ({"modalities": ["smell"]}, "structured_output"),
        ({"weather": "rain"}, "weather"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(conditions: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        RoutingRule.model_validate({"to": "nano", **conditions})
