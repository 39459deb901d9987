"""Thresholds of single routes, shapes for two tenants, and what a quiet one must not notice."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from load_tests.noisy_neighbor import list_missed_isolation
from load_tests.shapes import SHAPES, noisy, quiet
from load_tests.thresholds import (
    RouteStats,
    Rules,
    Thresholds,
    apply_rules,
    list_missed,
    read_rules,
)
from load_tests.timeline import RequestSample

RULES = Rules.model_validate(
    {
        "default": {"error_share": 0.0},
        "routes": {"chat": {"p95_ms": 800, "p99_ms": 2000, "min_requests": 100}},
    }
)
GOOD = RouteStats(requests=100, failures=0, p95_ms=800, p99_ms=2000)


def test_a_route_is_judged_by_its_own_rule_and_others_by_the_default() -> None:
    assert apply_rules(RULES, {"chat": GOOD, "models": RouteStats(1, 0, 9_000)}) == []

    slow, broken = RouteStats(100, 1, 801, 2001), RouteStats(10, 1, 5)
    found = apply_rules(RULES, {"chat": slow, "models": broken})

    assert found == [
        "chat: p95 is 801 ms; at most 800 ms may be",
        "chat: p99 is 2001 ms; at most 2000 ms may be",
        "models: 10.00% of requests failed; at most 0.00% may",
    ]


def test_a_route_that_is_named_has_to_occur_often_enough() -> None:
    assert apply_rules(RULES, {}) == ["chat: there was no request"]
    assert apply_rules(RULES, {"chat": RouteStats(99, 0, 1)}) == [
        "chat: only 99 requests; 100 make a run"
    ]


def test_a_file_of_rules_is_read_and_an_unknown_word_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("routes: {chat: {p95_ms: 800}}")
    assert read_rules(file).routes["chat"].p95_ms == 800

    file.write_text("routes: {chat: {p95: 800}}")
    with pytest.raises(ValidationError, match=r"routes\.chat\.p95"):
        read_rules(file)


def test_the_total_has_a_p99_as_well() -> None:
    limits = Thresholds(p99_ms=100)

    assert list_missed(limits, 50, 0, 1.0, p99_ms=99) == []
    assert "p99" in list_missed(limits, 50, 0, 1.0, p99_ms=101)[0]


def test_a_soak_is_a_long_steady_load() -> None:
    assert SHAPES["soak"] is SHAPES["steady"]


def test_the_noisy_tenant_comes_in_the_middle_third_only() -> None:
    points = [noisy(at, 50, 60.0) for at in (0, 19, 20, 39, 40, 59)]

    assert [point[0] for point in points if point] == [10, 10, 50, 50, 10, 10]
    assert quiet(50) == 10


def quiet_tenant(calm_ms: float, flood_ms: float) -> list[RequestSample]:
    return [
        RequestSample(at, "quiet", flood_ms if 20 <= at < 40 else calm_ms, failed=False, users=5)
        for at in range(60)
    ]


def test_a_quiet_tenant_may_be_so_many_times_slower_in_the_flood_and_no_more() -> None:
    assert list_missed_isolation(quiet_tenant(100, 300), 60, factor=3, slack_ms=0) == []
    assert list_missed_isolation(quiet_tenant(100, 349), 60, factor=3, slack_ms=50) == []

    (fault,) = list_missed_isolation(quiet_tenant(100, 301), 60, factor=3, slack_ms=0)
    assert "301 ms in the flood and 100 ms outside" in fault


def test_a_quiet_tenant_that_is_refused_is_told() -> None:
    refused = [*quiet_tenant(100, 100), RequestSample(30, "quiet", 1, failed=True, users=5)]

    assert list_missed_isolation(refused, 60, 3, 0) == ["quiet tenant: 1 of its requests failed"]


def test_too_few_requests_to_judge_by_are_a_miss() -> None:
    assert "within" in list_missed_isolation(quiet_tenant(1, 1)[:25], 60, 3, 0)[0]
