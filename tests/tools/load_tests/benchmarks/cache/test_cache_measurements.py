"""The pure parts of `./mobula bench cache`: figures and verdicts, the classifier, the options."""

import argparse
import io

import pytest
from rich.console import Console

from load_tests.benchmarks.cache.bench_cache import DEFAULT, PARTS, build_report, parse_parts
from load_tests.benchmarks.cache.litellm import build_measurements as litellm_figures
from load_tests.benchmarks.cache.speed import BARE, CACHED, CEILING
from load_tests.benchmarks.cache.speed import build_measurements as speed_figures
from load_tests.benchmarks.cache.timing import auc
from load_tests.benchmarks.common.measurement import Measurement, all_met, build_table
from load_tests.benchmarks.common.wrk import WrkResult, parse_report


def load(rate: float, p95_ms: float = 5.0, errors: int = 0) -> WrkResult:
    return WrkResult(rate, 1.0, 9.0, errors, p95_ms)


def test_a_classifier_that_sees_nothing_is_at_one_half_and_a_perfect_one_at_one() -> None:
    assert auc([1, 2, 3], [1, 2, 3]) == 0.5
    assert auc([5, 5], [5, 5]) == 0.5
    assert auc([2, 3], [0, 1]) == 1.0
    assert auc([0, 1], [2, 3]) == 0.0
    assert auc([2, 0], [1]) == 0.5


def test_a_figure_keeps_its_bounds_or_misses() -> None:
    within = Measurement("timing", "AUC", 0.55, at_least=0.45, at_most=0.55)

    assert within.met
    assert within.target == ">= 0.45 and <= 0.55"
    assert not Measurement("timing", "AUC", 0.56, at_least=0.45, at_most=0.55).met
    assert not Measurement("speed", "ratio", float("nan"), at_least=1).met
    assert Measurement("speed", "told only", 0.0).met


def test_no_figures_at_all_are_not_a_success() -> None:
    assert not all_met([])
    assert all_met([Measurement("a", "b", 1.0)])


def test_the_table_says_what_was_missed() -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(
        build_table(
            [
                Measurement("speed", "cached", 2536.4, "requests/s"),
                Measurement("speed", "ratio", 0.93, at_least=1),
                Measurement("speed", "errors", 0, at_most=0),
            ]
        )
    )
    text = console.file.getvalue()  # type: ignore[attr-defined]

    assert "2,536 requests/s" in text
    assert text.count("MISSED") == 1
    assert text.count("met") == 1


def test_speed_is_judged_by_medians_against_bare_fastapi_with_no_error() -> None:
    loads = {
        CEILING: [load(200)],
        BARE: [load(100), load(1), load(110)],
        CACHED: [load(90), load(120), load(1000)],
    }
    found = {measurement.name: measurement for measurement in speed_figures(loads, 0)}

    assert found[f"cached / {BARE}"].value == 1.2
    assert found[f"cached / {CEILING}"].value == 0.6
    assert all_met(list(found.values()))
    loads[CACHED] = [load(120, p95_ms=51, errors=1)]
    missed = [measurement.name for measurement in speed_figures(loads, 3) if not measurement.met]
    assert missed == ["cached, p95", "cached, errors", "cached, but missed in memory"]


def test_litellm_is_judged_by_the_ratio() -> None:
    found = litellm_figures({"mobula": [load(2400)], "litellm": [load(200)]}, "1.0")

    assert [measurement.met for measurement in found if measurement.target] == [True, True]
    assert not all_met(litellm_figures({"mobula": [load(2399)], "litellm": [load(200)]}, "1.0"))


def test_parts_are_chosen_by_name_and_litellm_only_on_request() -> None:
    assert parse_parts("speed, timing,speed") == ["speed", "timing"]
    assert set(PARTS) - set(DEFAULT) == {"litellm"}
    with pytest.raises(argparse.ArgumentTypeError, match="parts are speed"):
        parse_parts("sped")
    with pytest.raises(argparse.ArgumentTypeError):
        parse_parts("")


def test_the_report_holds_conditions_figures_and_verdict() -> None:
    options = argparse.Namespace(rounds=2, json=None, check=True)
    report = build_report([Measurement("speed", "ratio", 0.9, at_least=1)], options, {"speed": {}})

    assert report["conditions"] == {"rounds": 2}
    assert report["passed"] is False
    assert report["figures"][0]["met"] is False  # type: ignore[index]


def test_p95_is_read_from_what_the_script_adds_to_the_report_of_wrk() -> None:
    text = "     50%    1.00ms\n     99%    3.00ms\n     95%   2500.00us\nRequests/sec:    10.0\n"

    assert parse_report(text) == WrkResult(10.0, 1.0, 3.0, 0, 2.5)
