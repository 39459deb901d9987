"""What a comparison says: medians over rounds, errors added up, ours over the others."""

from typing import Any

import pytest

from load_tests.benchmarks.common.wrk import WrkResult
from load_tests.benchmarks.speed.compare.goals import forwarding_goals
from load_tests.benchmarks.speed.compare.report import (
    CaseResult,
    build_rows,
    compute_ratios,
    markdown,
)
from load_tests.benchmarks.speed.compare.streams import StreamResult

OURS, THEIRS = "mobula 1", "other 2"


def unary(rate: float, errors: int = 0) -> WrkResult:
    return WrkResult(rate, p50_ms=1.0, p99_ms=2.0, errors=errors)


MEASURED = [
    *(CaseResult(OURS, "unary", 16, unary(rate)) for rate in (900, 1000, 2000)),
    *(CaseResult(THEIRS, "unary", 16, unary(rate, errors=1)) for rate in (100, 90, 500)),
    CaseResult(OURS, "cached", 16, unary(5000)),
    CaseResult(OURS, "stream", 4, StreamResult(8.0, 400.0, 12.0, 20.0, 0)),
    CaseResult(THEIRS, "stream", 4, StreamResult(0.0, 100.0, 30.0, 90.0, 2)),
]


def row(case: str, contender: str) -> dict[str, Any]:
    rows = build_rows(MEASURED)
    return next(r for r in rows if (r["case"], r["contender"]) == (case, contender))


def test_rounds_become_medians_and_errors_are_added_up() -> None:
    assert row("unary", OURS)["requests_s"] == 1000
    assert row("unary", THEIRS)["requests_s"] == 100
    assert row("unary", THEIRS)["errors"] == 3


def test_ours_is_put_over_each_other_one_in_the_same_case() -> None:
    found = compute_ratios(build_rows(MEASURED), OURS)

    assert [(each["case"], each["over"]) for each in found] == [
        ("unary", THEIRS),
        ("stream", THEIRS),
    ]
    assert [each["ratio"] for each in found] == [pytest.approx(10), pytest.approx(4)]


def test_the_report_has_a_row_for_each_and_leaves_out_what_one_cannot_do() -> None:
    rows = build_rows(MEASURED)
    machine = {"cpu": "a CPU", "usable_cores": 2, "load_1_min": 0.1, "packages": {"ray": "2.60"}}
    report = {
        "date": "2026-11-21",
        "machine": machine,
        "conditions": {"rounds": 3, "seconds": 4.0},
        "rows": rows,
        "ratios": compute_ratios(rows, OURS),
    }

    text = markdown(report)

    assert "| unary | 16 | other 2 | 100 | 1.00 | 2.00 | 3 | 10.00 |" in text
    assert "| 4 | mobula 1 | 8.0 | 400 | 12.0 | 20.0 | 0 |  |" in text
    assert "cached | 16 | other 2" not in text


def test_where_all_forward_the_goals_are_ratios_and_milliseconds_that_are_added() -> None:
    measured = [
        *(
            CaseResult(name, "unary", connections, WrkResult(rate, p50_ms, 2.0, 0))
            for name, rate, p50_ms in (
                (OURS, 1000.0, 1.5),
                ("SMG 1", 5000.0, 0.5),
                ("Portkey 1", 400.0, 2.0),
                ("upstream", 9000.0, 0.25),
            )
            for connections in (1, 16)
        ),
        CaseResult(OURS, "stream", 16, StreamResult(8.0, 400.0, 12.0, 20.0, 0)),
        CaseResult("SMG 1", "stream", 16, StreamResult(8.0, 500.0, 12.0, 20.0, 0)),
    ]

    goals = forwarding_goals(build_rows(measured), OURS, "upstream")

    assert {goal.name: (round(goal.value, 2), goal.met) for goal in goals} == {
        "requests/s over SMG's at 16 connections": (0.2, False),
        "requests/s over Portkey's at 16 connections": (2.5, True),
        "chunks/s of streams over SMG's at 16 connections": (0.8, True),
        "p50 that mobula adds at one connection": (1.25, False),
        "p50 that SMG adds at one connection": (0.25, True),
        "p50 that Portkey adds at one connection": (1.75, True),
    }
    report = {
        "date": "2026-11-21",
        "machine": {"cpu": "c", "usable_cores": 2, "load_1_min": 0, "packages": {"ray": "2"}},
        "conditions": {"rounds": 3, "seconds": 4.0},
        "rows": build_rows(measured),
        "ratios": [],
        "goals": [goal.to_dict() for goal in goals],
    }
    assert "| requests/s over SMG's at 16 connections | 0.20 | >= 0.25 | no |" in markdown(report)
